// What a draft's confidence is worth: the share of tokens drafted with such a probability that was accepted.

export interface Calibration {
  /** The chance that a token drafted with this probability is accepted if those before it are. */
  acceptance(confidence: number): number
  /** `confidences` of the drafted tokens, of which the first `accepted` held. */
  observe(confidences: readonly number[], accepted: number): void
}

/** The probabilities are told apart to a tenth. */
const bins = 10
/** Tokens that the confidence itself counts for. */
const priorWeight = 4
/** What a token leaves of those before it in its bin. */
const kept = 0.98

/** By recent tokens, each bin by itself; where few were seen a draft is taken at its word. */
export function calibration(): Calibration {
  const tried = new Array<number>(bins).fill(0)
  const held = new Array<number>(bins).fill(0)
  const binOf = (confidence: number): number => Math.max(0, Math.min(bins - 1, Math.floor(confidence * bins)))
  return {
    acceptance(confidence) {
      const bin = binOf(confidence)
      return (held[bin]! + priorWeight * confidence) / (tried[bin]! + priorWeight)
    },
    observe(confidences, accepted) {
      for (const [at, confidence] of confidences.slice(0, accepted + 1).entries()) {
        const bin = binOf(confidence)
        tried[bin] = kept * tried[bin]! + 1
        held[bin] = kept * held[bin]! + (at < accepted ? 1 : 0)
      }
    },
  }
}
