// The token that a sampler draws, by sorting and by noise for every token: slow, and with nothing to get wrong.

import { exp, log } from '../../decode/elementary.ts'
import { noiseAt, streams } from '../../decode/random.ts'
import type { Sampling } from '../../decode/sampler.ts'

export function drawPlainly(
  logits: Float32Array,
  history: readonly number[],
  { sampling, seed }: { sampling: Sampling; seed: number },
): number {
  const { temperature, topK, topP, minP, repetitionPenalty, logitBias } = sampling
  const scores = Float64Array.from(logits)
  for (const [id, bias] of logitBias) scores[id]! += bias
  if (repetitionPenalty !== 1) {
    for (const id of new Set(history)) {
      scores[id] = scores[id]! < 0 ? scores[id]! * repetitionPenalty : scores[id]! / repetitionPenalty
    }
  }
  for (let id = 0; id < scores.length; id++) scores[id]! *= 1 / temperature
  let kept = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b)
  const largest = scores[kept[0]!]!
  if (topK > 0) kept = kept.filter((id) => scores[id]! >= scores[kept[Math.min(topK, kept.length) - 1]!]!)
  if (topP < 1) {
    const weights = kept.map((id) => exp(scores[id]! - largest))
    const mass = topP * weights.reduce((sum, weight) => sum + weight, 0)
    let before = 0
    kept = kept.filter((_, i) => {
      const stays = before < mass
      before += weights[i]!
      return stays
    })
  }
  if (minP > 0) kept = kept.filter((id) => scores[id]! >= largest + log(minP))
  const noise = noiseAt(seed, streams.sample, history.length)
  let [best, highest] = [-1, Number.NEGATIVE_INFINITY]
  for (const id of kept.sort((a, b) => a - b)) {
    const sum = scores[id]! + noise.gumbel(id)
    if (sum > highest) {
      best = id
      highest = sum
    }
  }
  return best
}
