// Cases of `linear`, by weight type: odd sizes, bias, residual (also in place), hard activations.

import { isBlockType, type WeightDType } from '../dtype.ts'
import { accuracyCase } from './accuracy.ts'
import type { Case, CaseSettings } from './case.ts'
import { baseRows, rowCases } from './invariance.ts'
import * as oracle from './oracle.ts'
import { floats, type Random } from './random.ts'
import { makeWeight, weightDTypes } from './weights.ts'

interface Input {
  readonly rows: number
  readonly in: number
  readonly out: number
  readonly plus?: Plus
  readonly x?: Hard
}

type Plus = 'bias' | 'residual' | 'bias and residual' | 'residual in out'

type Hard = 'an outlier channel' | 'rows of zeros' | 'rows of very different size'

const plain: readonly Input[] = [
  { rows: 1, in: 1, out: 1 },
  { rows: 1, in: 3, out: 5 },
  { rows: 2, in: 5, out: 3 },
  { rows: 3, in: 7, out: 33 },
  { rows: 4, in: 33, out: 65 },
  { rows: 5, in: 65, out: 7 },
  { rows: 6, in: 64, out: 64 },
  { rows: 7, in: 100, out: 31 },
  { rows: 8, in: 129, out: 96 },
  { rows: 9, in: 257, out: 130 },
  { rows: 2, in: 16, out: 4099 },
]

const blocks: readonly Input[] = [
  { rows: 1, in: 32, out: 1 },
  { rows: 2, in: 32, out: 3 },
  { rows: 3, in: 64, out: 5 },
  { rows: 4, in: 96, out: 33 },
  { rows: 5, in: 160, out: 65 },
  { rows: 6, in: 64, out: 64 },
  { rows: 7, in: 256, out: 31 },
  { rows: 8, in: 288, out: 96 },
  { rows: 9, in: 96, out: 130 },
  { rows: 2, in: 32, out: 4099 },
]

/** For every weight type: real models' sizes, what is added, and hard inputs. */
const any: readonly Input[] = [
  { rows: 1, in: 576, out: 192 },
  { rows: 9, in: 576, out: 64 },
  { rows: 1, in: 1536, out: 48 },
  { rows: 4, in: 1536, out: 33 },
  { rows: 1, in: 64, out: 33, plus: 'bias' },
  { rows: 5, in: 96, out: 65, plus: 'bias' },
  { rows: 1, in: 64, out: 65, plus: 'residual' },
  { rows: 9, in: 32, out: 33, plus: 'residual' },
  { rows: 3, in: 96, out: 33, plus: 'bias and residual' },
  { rows: 1, in: 64, out: 64, plus: 'residual in out' },
  { rows: 7, in: 96, out: 65, plus: 'residual in out' },
  { rows: 4, in: 128, out: 65, x: 'an outlier channel' },
  { rows: 5, in: 64, out: 33, x: 'rows of zeros' },
  { rows: 3, in: 64, out: 33, x: 'rows of zeros', plus: 'bias' },
  { rows: 6, in: 96, out: 33, x: 'rows of very different size' },
]

export function linearCases(settings: CaseSettings): Case[] {
  return weightDTypes.flatMap((dtype) => [
    ...[...(isBlockType(dtype) ? blocks : plain), ...any].map((input) => accuracy(settings, dtype, input)),
    ...invariance(settings, dtype),
  ])
}

function accuracy(settings: CaseSettings, dtype: WeightDType, input: Input): Case {
  const { rows, in: inSize, out: outSize, plus } = input
  const details = `${plus ? ` plus ${plus}` : ''}${input.x ? `, x with ${input.x},` : ''}`
  const name = `x [${rows}, ${inSize}] times ${dtype} [${outSize}, ${inSize}]${details} matches float64`
  return accuracyCase(settings, { op: 'linear', dtype, name }, (space, random) => {
    // Few outputs could all cancel to nearly nothing, which no arithmetic survives: there the values are positive.
    const spread = outSize < 16 ? 'positive' : 'bell'
    const x = hard(random, input, floats(random, rows * inSize, 1, spread))
    const weight = makeWeight(floats(random, outSize * inSize, 1 / Math.sqrt(inSize), spread), [outSize, inSize], dtype)
    const bias = plus?.startsWith('bias') ? floats(random, outSize) : undefined
    const residual = plus?.includes('residual') ? floats(random, rows * outSize, 2) : undefined
    const shape = [rows, outSize]
    const residualTensor = residual && space.values(residual, shape)
    const out = plus === 'residual in out' && residualTensor ? residualTensor : space.poisoned(shape)
    space.ops.linear(out, space.values(x, [rows, inSize]), {
      weight: space.weight(weight),
      bias: bias && space.values(bias, [outSize]),
      residual: residualTensor,
    })
    return [{ what: 'out', actual: out, expected: oracle.linear(x, weight.exact, { in: inSize, bias, residual }) }]
  })
}

function hard(random: Random, { rows, in: size, x: kind }: Input, x: Float32Array<ArrayBuffer>) {
  for (let row = 0; row < rows; row++) {
    const own = x.subarray(row * size, (row + 1) * size)
    if (kind === 'an outlier channel') own[random.below(size)] = row % 2 === 0 ? 300 : -300
    if (kind === 'rows of zeros' && row % 2 === 0) own.fill(0)
    if (kind === 'rows of very different size') for (let i = 0; i < size; i++) own[i]! *= 10 ** (2 * row - 6)
  }
  return x
}

function invariance(settings: CaseSettings, dtype: WeightDType): Case[] {
  const shapes: readonly Omit<Input, 'rows'>[] = [
    { in: 96, out: 65 },
    { in: 576, out: 33, plus: 'residual' },
    isBlockType(dtype) ? { in: 32, out: 7, plus: 'bias' } : { in: 33, out: 7, plus: 'bias' },
  ]
  return shapes.flatMap(({ in: inSize, out: outSize, plus }) => {
    const name = `rows of ${inSize} times ${dtype} [${outSize}, ${inSize}]${plus ? ` plus ${plus}` : ''}`
    return rowCases(settings, { op: 'linear', dtype, name }, (space, random) => {
      const x = floats(random, baseRows * inSize)
      const residual = floats(random, baseRows * outSize)
      const weight = space.weight(makeWeight(floats(random, outSize * inSize), [outSize, inSize], dtype))
      const bias = plus === 'bias' ? space.values(floats(random, outSize), [outSize]) : undefined
      const picked = (values: Float32Array, picks: readonly number[], size: number) =>
        space.values(Float32Array.from(oracle.pickRows(values, picks, size)), [picks.length, size])
      return (picks) => {
        const out = space.unset([picks.length, outSize])
        space.ops.linear(out, picked(x, picks, inSize), {
          weight,
          bias,
          residual: plus === 'residual' ? picked(residual, picks, outSize) : undefined,
        })
        return [out]
      }
    })
  })
}
