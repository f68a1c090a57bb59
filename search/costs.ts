// What drafting costs here, by the sublayers that a draft runs: measured once for a backend, so that any skip set's cost is a sum.

import { skipLayers } from '../decode/draft/skip-layers.ts'
import type { DraftAsked } from '../decode/drafting.ts'
import { prefill } from '../decode/prefill.ts'
import { decodeRound } from '../decode/speculative.ts'
import { interleave, pairedRatio, type Side, spread } from '../decode/timing.ts'
import type { Turn } from '../engine/turn.ts'
import { createSequence } from '../model/cache.ts'
import type { Llama } from '../model/llama.ts'
import { noSkip, type SkipSet } from '../model/skip.ts'
import type { RoundCosts } from './attainable.ts'
import { nonDecreasing } from './non-decreasing.ts'
import type { Recording } from './recording.ts'
import type { Point } from './space.ts'

/** Costs over those of a plain round: a pass of one row and what decoding does about it. */
export interface SublayerCosts {
  /** Of each sublayer in a draft pass, `[2 * layers]`. */
  readonly sublayers: readonly number[]
  /** Of a draft pass, what runs whatever is skipped: embedding, head, choice of a token. */
  readonly around: number
  /** `verify[m - 1]`: a round that verifies m rows, drafts apart; the first is 1. */
  readonly verify: readonly number[]
}

/** What rounds cost that draft with a skip set. */
export function costsOf({ sublayers, around, verify }: SublayerCosts, point: Point): RoundCosts {
  const sum = (costs: readonly number[]): number => costs.reduce((total, cost) => total + cost, 0)
  const first = point.indexOf(true)
  return {
    draft: around + sum(sublayers.filter((_, sublayer) => !point[sublayer])),
    verify,
    prefixShare: Math.min(1, sum(sublayers.slice(0, first === -1 ? sublayers.length : first))),
  }
}

export interface CostOptions {
  /** The longest draft that is considered. */
  readonly longest: number
  /** Cached tokens before the rows of each round. */
  readonly context: number
  /** Rounds of each kind of which the cost is the median. */
  readonly repeats: number
  readonly turn: Turn
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Milliseconds; default the machine's clock. */
  readonly clock?: (() => number) | undefined
}

/**
 * Times rounds of decoding, interleaved: plain ones, those that verify 1 to `longest` guesses, and those that draft without
 * attention, without MLPs, without both and with all. Sublayers of a kind count alike. Throws `AbortError`.
 */
export async function measureCosts(llama: Llama, options: CostOptions): Promise<SublayerCosts> {
  const layers = llama.config.numHiddenLayers
  const all = Array.from({ length: layers }, (_, layer) => layer)
  const drafts: SkipSet[] = [
    noSkip,
    { attention: all, mlp: [] },
    { attention: [], mlp: all },
    { attention: all, mlp: all },
  ]
  const { longest } = options
  const guesses = Array.from({ length: longest }, (_, i): RoundKind => ({ count: i + 1 }))
  const counts = [...new Set([1 / 3, 2 / 3, 1].map((share) => Math.ceil(share * longest)))]
  const drafting = drafts.flatMap((skip) => counts.map((count): RoundKind => ({ count, skip, reusePrefix: false })))
  const ratios = await roundRatios(llama, [...guesses, ...drafting], options)
  // A row more takes no less: what says so is noise, and would not be read again (journal-reader.ts).
  const verify = [1, ...nonDecreasing(ratios.slice(0, guesses.length)).map((ratio) => Math.max(1, ratio))]
  // What a round of k drafts takes beyond one of k guesses is k draft passes: the slope, by least squares.
  const [full, noAttention, noMlp, neither] = drafts.map((_, i) => {
    const beyond = counts.map((count, j) => ratios[guesses.length + i * counts.length + j]! - verify[count]!)
    return beyond.reduce((sum, ms, j) => sum + ms * counts[j]!, 0) / counts.reduce((sum, count) => sum + count ** 2, 0)
  }) as [number, number, number, number] // as many as `drafts`
  // The sum of three parts that is nearest to the four figures, in squares.
  const parts = [full - noAttention + noMlp - neither, full - noMlp + noAttention - neither]
  // Where the clock saw nothing of either they count alike: of sublayers that are free none is better left out than another.
  const least = parts.some((part) => part > 0) ? 0 : leastCost
  const [attention, mlp] = parts.map((part) => Math.max(least, part / 2 / layers)) as [number, number] // as many as `parts`
  return {
    sublayers: Array.from({ length: 2 * layers }, (_, sublayer) => (sublayer % 2 === 0 ? attention : mlp)),
    around: Math.max(0, (full + noAttention + noMlp + neither) / 4 - (layers * (attention + mlp)) / 2),
    verify,
  }
}

/** What a round takes that drafts so many tokens with a skip set, over a plain one: what {@link costsOf} predicts. */
export async function measureRound(
  llama: Llama,
  round: { readonly skip: SkipSet; readonly draftLength: number },
  options: Omit<CostOptions, 'longest'>,
): Promise<number> {
  const [ratio] = await roundRatios(llama, [{ count: round.draftLength, skip: round.skip }], options)
  return ratio!
}

/** Cached tokens in the middle of the middle text. */
export function medianContext({ texts }: Recording): number {
  return Math.round(spread(texts.map(({ ids, promptTokens }) => (ids.length + promptTokens) / 2)).median)
}

/** A round of so many guesses, or drafts of the model with these sublayers left out. */
interface RoundKind {
  readonly count: number
  readonly skip?: SkipSet
  /** Default `true`. */
  readonly reusePrefix?: boolean
}

/** Of a sublayer, over a plain round, where it takes too little to be seen. */
const leastCost = 1e-6

/** Plain rounds that are timed in each turn: everything is over these, so they are known best. */
const plainSides = 3

/** What rounds of these kinds take over plain ones. */
async function roundRatios(
  llama: Llama,
  kinds: readonly RoundKind[],
  { context, repeats, turn, onProgress, clock = () => performance.now() }: Omit<CostOptions, 'longest'>,
): Promise<number[]> {
  const { backend, config } = llama
  const history = Array.from({ length: context + 1 }, (_, position) => (position * 37 + 11) % config.vocabSize)
  const sequence = createSequence(backend, config)
  const side = (name: string, kind: RoundKind): Side => {
    const asked = askedFor(llama, kind)
    const round = (): Promise<unknown> => {
      const drafts = (): Iterator<DraftAsked, void> => asked.values()
      const ends = { acceptance: undefined, mayShowExit: false, exitToShow: () => undefined }
      return decodeRound(llama, [{ sequence, history, drafts, ...ends }], { turn, clock })
    }
    return {
      name,
      async run() {
        await round() // most rounds follow one of their kind, whose weights are the last that were read
        const started = clock()
        await round()
        return clock() - started
      },
    }
  }
  try {
    await prefill(llama, sequence, { ids: history, turn, onPass: () => {} })
    const sides = kinds.map((kind, i) => side(`${i}`, kind))
    for (let i = 0; i < plainSides; i++) {
      sides.splice(Math.round((i * sides.length) / (plainSides - 1)), 0, side(`plain ${i}`, { count: 0 }))
    }
    const onRun = onProgress && { onRun: onProgress }
    const figures = await interleave(sides, { rounds: repeats, warmup: 2, turn, ...onRun })
    const plain = Array.from({ length: plainSides }, (_, i) => figures.get(`plain ${i}`)!)
    const base = plain[0]!.map((_, round) => spread(plain.map((own) => own[round]!)).median)
    return kinds.map((_, i) => pairedRatio(figures.get(`${i}`)!, base).median)
  } finally {
    sequence.dispose()
  }
}

function askedFor(llama: Llama, { count, skip, reusePrefix = true }: RoundKind): DraftAsked[] {
  if (count === 0) return []
  const draft = skipLayers(skip ?? noSkip, { reusePrefix })
  const session = draft.start(llama)
  const from = skip && 'propose' in session ? session : Array.from({ length: count }, (_, i) => i)
  return [{ draft, limit: { most: count }, from }]
}
