// Cases of `rmsNorm`: whole rows and heads, tiny norms, rows of zeros, outlier channels.

import { accuracyCase } from './accuracy.ts'
import type { Case, CaseSettings } from './case.ts'
import { baseRows, rowCases } from './invariance.ts'
import * as oracle from './oracle.ts'
import { floats, type Random } from './random.ts'

interface Input {
  readonly rows: number
  /** Runs per row: heads of a q/k norm. */
  readonly runs: number
  readonly size: number
  readonly epsilon: number
  readonly input?: Hard
}

type Hard = 'with rows of zeros' | 'with norms below epsilon' | 'with an outlier channel' | 'of large values'

const inputs: readonly Input[] = [
  { rows: 1, runs: 1, size: 1, epsilon: 1e-5 },
  { rows: 2, runs: 1, size: 3, epsilon: 1e-5 },
  { rows: 3, runs: 1, size: 5, epsilon: 1e-6 },
  { rows: 4, runs: 1, size: 7, epsilon: 1e-5 },
  { rows: 5, runs: 1, size: 33, epsilon: 1e-5 },
  { rows: 6, runs: 1, size: 65, epsilon: 1e-6 },
  { rows: 7, runs: 1, size: 256, epsilon: 1e-5 },
  { rows: 8, runs: 1, size: 577, epsilon: 1e-5 },
  { rows: 9, runs: 1, size: 2048, epsilon: 1e-5 },
  { rows: 3, runs: 3, size: 1, epsilon: 1e-5 },
  { rows: 5, runs: 4, size: 20, epsilon: 1e-6 },
  { rows: 9, runs: 9, size: 64, epsilon: 1e-6 },
  { rows: 2, runs: 5, size: 7, epsilon: 1e-5 },
  { rows: 5, runs: 1, size: 64, epsilon: 1e-5, input: 'with rows of zeros' },
  { rows: 5, runs: 2, size: 33, epsilon: 1e-5, input: 'with norms below epsilon' },
  { rows: 4, runs: 1, size: 257, epsilon: 1e-5, input: 'with an outlier channel' },
  { rows: 4, runs: 1, size: 100, epsilon: 1e-5, input: 'of large values' },
]

export function rmsNormCases(settings: CaseSettings): Case[] {
  return [
    ...inputs.map((input) => {
      const { rows, runs, size, epsilon } = input
      const shape = [rows, runs * size]
      const name =
        `[${shape.join(', ')}] in runs of ${size}, epsilon ${epsilon}, matches float64 ${input.input ?? ''}`.trimEnd()
      return accuracyCase(settings, { op: 'rmsNorm', name }, (space, random) => {
        const x = values(random, input)
        const weight = floats(random, size)
        const out = space.poisoned(shape)
        space.ops.rmsNorm(out, space.values(x, shape), { weight: space.values(weight, [size]), epsilon })
        return [{ what: 'out', actual: out, expected: oracle.rmsNorm(x, weight, epsilon) }]
      })
    }),
    ...[
      { runs: 1, size: 65 },
      { runs: 1, size: 576 },
      { runs: 3, size: 20 },
    ].flatMap(({ runs, size }) => {
      const width = runs * size
      const name = `rows of ${width} in runs of ${size}`
      return rowCases(settings, { op: 'rmsNorm', name }, (space, random) => {
        const x = floats(random, baseRows * width)
        const weight = space.values(floats(random, size), [size])
        return (picks) => {
          const shape = [picks.length, width]
          const out = space.unset(shape)
          const picked = Float32Array.from(oracle.pickRows(x, picks, width))
          space.ops.rmsNorm(out, space.values(picked, shape), { weight, epsilon: 1e-5 })
          return [out]
        }
      })
    }),
  ]
}

function values(random: Random, { rows, runs, size, input }: Input): Float32Array<ArrayBuffer> {
  const width = runs * size
  const x = floats(random, rows * width)
  for (let row = 0; row < rows; row++) {
    const own = x.subarray(row * width, (row + 1) * width)
    if (input === 'with rows of zeros' && row % 2 === 0) own.fill(0)
    if (input === 'with norms below epsilon') for (let i = 0; i < width; i++) own[i]! *= 10 ** -(2 + row)
    if (input === 'with an outlier channel') own[(row * 101) % width] = 1000 * (row + 1)
    if (input === 'of large values') for (let i = 0; i < width; i++) own[i]! *= 10 ** (2 + row)
  }
  return x
}
