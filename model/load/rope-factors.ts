// Llama 3's stretching of rope, as GGUF has it: not the four numbers of a config.json, but the factors that they come to, one
// for each pair of a head, by which frequencies are divided (the tensor "rope_freqs.weight").

import { ModelFormatError } from '../../engine/errors.ts'
import type { RopeScaling } from '../config.ts'

export const ropeFactorsName = 'rope_freqs.weight'

type Llama3Scaling = Extract<RopeScaling, { type: 'llama3' }>

interface Rope {
  readonly headDim: number
  readonly ropeTheta: number
}

/** The factors of a scaling, `[headDim / 2]`. */
export function factorsOf(scaling: Llama3Scaling, rope: Rope): Float32Array {
  return Float32Array.from(frequenciesOf(rope), (frequency) => 1 / shareOf(frequency, scaling))
}

/**
 * The scaling that factors come from, or `undefined` where they stretch nothing. Only ratios of the context and of both
 * limits count, so the lower limit is set to 1, as every Llama has it. Throws {@link ModelFormatError} for factors of another
 * kind; `where` names them.
 */
export function llama3Of(factors: Float32Array, rope: Rope, where: string): Llama3Scaling | undefined {
  if (factors.every((factor) => factor === 1)) return undefined
  const scaling = solve(factors, rope)
  const isClose = (a: number, b: number): boolean => Math.abs(a / b - 1) <= 1e-5
  if (scaling && factorsOf(scaling, rope).every((factor, i) => isClose(factor, factors[i]!))) return scaling
  throw new ModelFormatError(`${where} stretches rope in another way than Llama 3 does, which is not known`)
}

/** What becomes of a frequency: the same below one limit, a `factor`-th above the other, a blend between. */
function shareOf(frequency: number, scaling: Llama3Scaling): number {
  const { factor, lowFreqFactor, highFreqFactor, originalMaxPositionEmbeddings } = scaling
  const waves = (originalMaxPositionEmbeddings * frequency) / (2 * Math.PI)
  const blend = Math.min(1, Math.max(0, (waves - lowFreqFactor) / (highFreqFactor - lowFreqFactor)))
  return (1 - blend) / factor + blend
}

function solve(factors: Float32Array, rope: Rope): Llama3Scaling | undefined {
  const factor = factors.reduce((most, each) => Math.max(most, each), 1)
  if (factors.length !== rope.headDim / 2 || !Number.isFinite(factor) || factors.some((each) => !(each >= 1))) return
  const pairs = Array.from(frequenciesOf(rope), (frequency, i) => ({
    waves: frequency / (2 * Math.PI), // in one position
    blend: (1 / factors[i]! - 1 / factor) / (1 - 1 / factor),
  }))
  // blend * (high - 1) = context * waves - 1, of which two pairs tell both unknowns.
  const between = pairs.filter(({ blend }) => blend > 1e-6 && blend < 1 - 1e-6)
  const [first, last] = [between[0], between.at(-1)]
  let high = 4
  let context: number
  if (first && last && first !== last) {
    high = 1 + (first.waves - last.waves) / (last.waves * first.blend - first.waves * last.blend)
    context = (first.blend * (high - 1) + 1) / first.waves
  } else if (first) {
    context = (3 * first.blend + 1) / first.waves
  } else {
    const kept = pairs.findLast(({ blend }) => blend > 0.5)
    context = kept ? 4 / kept.waves : 1 / pairs[0]!.waves
  }
  return {
    type: 'llama3',
    factor,
    lowFreqFactor: 1,
    highFreqFactor: Math.round(high * 1000) / 1000,
    originalMaxPositionEmbeddings: Math.round(context),
  }
}

function frequenciesOf({ headDim, ropeTheta }: Rope): Float64Array {
  return Float64Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headDim))
}
