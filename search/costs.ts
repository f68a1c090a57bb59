// What drafting costs here, by the sublayers that a draft runs: measured once for a backend, so that any skip set's cost is a sum.

import { skipLayers } from '../decode/draft/skip-layers.ts'
import type { DraftAsked } from '../decode/drafting.ts'
import { prefill } from '../decode/prefill.ts'
import { decodeRound, type Lane } from '../decode/speculative.ts'
import { interleave, spread } from '../decode/timing.ts'
import type { Turn } from '../engine/turn.ts'
import { createSequence } from '../model/cache.ts'
import type { Llama } from '../model/llama.ts'
import { noSkip, type SkipSet } from '../model/skip.ts'
import type { RoundCosts } from './attainable.ts'
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

/** Tokens drafted in the rounds from which the cost of a draft pass is told. */
const drafted = 4

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
  const guesses = Array.from({ length: Math.max(longest, drafted) + 1 }, (_, count): RoundKind => ({ count }))
  const kinds = [...guesses, ...drafts.map((skip): RoundKind => ({ count: drafted, skip, reusePrefix: false }))]
  const ratios = await roundRatios(llama, kinds, options)
  const passes = ratios.slice(guesses.length).map((ratio) => (ratio - ratios[drafted]!) / drafted)
  const [full, noAttention, noMlp, neither] = passes as [number, number, number, number] // as many as `drafts`
  // The sum of three parts that is nearest to the four figures, in squares.
  const attention = Math.max(0, (full - noAttention + noMlp - neither) / 2 / layers)
  const mlp = Math.max(0, (full - noMlp + noAttention - neither) / 2 / layers)
  return {
    sublayers: Array.from({ length: 2 * layers }, (_, sublayer) => (sublayer % 2 === 0 ? attention : mlp)),
    around: Math.max(0, (full + noAttention + noMlp + neither) / 4 - (layers * (attention + mlp)) / 2),
    verify: ratios.slice(0, longest + 1),
  }
}

/** What a round takes that drafts so many tokens with a skip set, over a plain one: what {@link costsOf} predicts. */
export async function measureRound(
  llama: Llama,
  round: { readonly skip: SkipSet; readonly draftLength: number },
  options: Omit<CostOptions, 'longest'>,
): Promise<number> {
  const kinds = [{ count: 0 }, { count: round.draftLength, skip: round.skip }]
  const ratios = await roundRatios(llama, kinds, options)
  return ratios[1]!
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

/** What rounds of these kinds take over the first. */
async function roundRatios(
  llama: Llama,
  kinds: readonly RoundKind[],
  { context, repeats, turn, onProgress, clock = () => performance.now() }: Omit<CostOptions, 'longest'>,
): Promise<number[]> {
  const { backend, config } = llama
  const history = Array.from({ length: context + 1 }, (_, position) => (position * 37 + 11) % config.vocabSize)
  const sequence = createSequence(backend, config)
  try {
    await prefill(llama, sequence, { ids: history, turn, onPass: () => {} })
    const sides = kinds.map((kind, i) => {
      const lane: Lane = {
        sequence,
        history,
        acceptance: undefined,
        drafts: () => askedFor(llama, kind).values(),
        mayShowExit: false,
        exitToShow: () => undefined,
      }
      return {
        name: `${i}`,
        async run() {
          const round = (): Promise<unknown> => decodeRound(llama, [lane], { turn, clock })
          await round() // most rounds follow one of their kind, whose weights are the last that were read
          const started = clock()
          await round()
          return clock() - started
        },
      }
    })
    const figures = await interleave(sides, {
      rounds: repeats,
      warmup: 2,
      turn,
      ...(onProgress && { onRun: onProgress }),
    })
    const medians = kinds.map((_, i) => spread(figures.get(`${i}`)!).median)
    return medians.map((median) => median / medians[0]!)
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
