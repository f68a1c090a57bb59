// Plain decoding beside every draft and draft length: the same prompts, in turns, the tokens compared each time; and what the
// costs of passes allow at most.

import { type PassCost, passCosts } from '../decode/pass-cost.ts'
import { interleave, type Side, type Spread, spread } from '../decode/timing.ts'
import { createTurn, type Turn } from '../engine/turn.ts'
import type { Model } from '../model/load-model.ts'
import { noSkip, planSkip, type SkipSet } from '../model/skip.ts'
import {
  predictedSpeedup,
  type RoundCosts,
  type RoundOutcome,
  speedupByLength,
  survivals,
} from '../search/attainable.ts'
import { firstDifference } from './identity-report.ts'
import { type Interval, medianInterval } from './interval.ts'
import { type Traced, traced } from './rounds.ts'
import { plainWay, type Saving, type Way, wayOf } from './speculate-ways.ts'

export interface SpeculateOptions {
  /** Token ids. */
  readonly prompts: readonly (readonly number[])[]
  readonly maxNewTokens: number
  /** Names of speculate-ways.ts; those that the model has not are left out. */
  readonly drafts: readonly string[]
  readonly draftLengths: readonly string[]
  readonly savings: readonly Saving[]
  /** The draft length at which savings are measured. */
  readonly savingsAt: string
  /** How often each prompt is decoded in each way. */
  readonly repeats: number
  /** Drafts of so many tokens show how far they hold, and lengths up to it are considered. */
  readonly longest: number
  /** Passes of each kind of which the cost is the median. */
  readonly passes: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (done: number, total: number) => void
}

/** One way of decoding. */
export interface SpeculateRow {
  readonly draft: string
  readonly draftLength: string
  readonly tokensPerSecond: Spread
  /** Over plain decoding, prompt by prompt: the median, within 95 % by bootstrap over prompts. */
  readonly ratio: Interval
  /** What passes cost says of these rounds. */
  readonly predicted: number
  readonly acceptanceRate: number | undefined
  readonly draftedPerRound: number
  readonly tokensPerPass: number
  /** Of the time, the part lost against plain decoding of the same prompts; below 0 where time was won. */
  readonly lost: number
  /** Of the time, the part that the cost model's ledger says was lost; below 0 where time was won. Undefined for others. */
  readonly ledger: number | undefined
  /** Prompts of which all texts were those of plain decoding. */
  readonly identical: number
}

/** What drafts of one kind could bring. */
export interface Attainable {
  readonly draft: string
  readonly costs: RoundCosts
  /** Whether it ran the model, or only guessed. */
  readonly runsModel: boolean
  /** By depth, from 1. */
  readonly survival: readonly number[]
  /** `R(k) / R(0)`, from k = 1. */
  readonly speedups: readonly number[]
  /** The largest of them; at length 0, plain decoding, where none is above 1. */
  readonly best: { readonly draftLength: number; readonly speedup: number }
  /** What was reached of the best by each way that was measured. */
  readonly reached: readonly { readonly draftLength: string; readonly share: number }[]
}

export interface SpeculateBench {
  readonly prompts: number
  readonly promptTokens: Spread
  readonly maxNewTokens: number
  readonly tokens: number
  readonly rows: readonly SpeculateRow[]
  /** Rows of context before each pass that was timed. */
  readonly context: number
  readonly passCosts: readonly PassCost[]
  readonly attainable: readonly Attainable[]
  /** With what is saved over without it, prompt by prompt. */
  readonly savings: readonly {
    readonly name: string
    readonly draftLength: string
    readonly ratio: Interval
    readonly identical: boolean
  }[]
  /** Drafts that were asked for and that the model has not. */
  readonly leftOut: readonly string[]
}

/** What a way made of the prompts, round by round of the comparison. */
type Runs = readonly Traced[]

/** Decodes every prompt in all ways, interleaved, and measures passes. */
export async function benchSpeculate(model: Model, options: SpeculateOptions): Promise<SpeculateBench> {
  const { prompts, maxNewTokens, longest, repeats, signal, onProgress } = options
  const turn = createTurn(signal)
  const { ways, pairs, leftOut } = waysOf(model, options)
  const made = new Map<string, Traced[]>()
  const side = (way: Way): Side => ({
    name: nameOf(way),
    async run(round) {
      const settings = { maxNewTokens, ignoreEos: true, signal, ...way.options }
      const run = await traced(model, prompts[round % prompts.length]!, settings)
      await turn() // an aborted text is a result too, but not one to count
      const runs = made.get(nameOf(way)) ?? []
      runs[round] = run // the round that warms up is overwritten
      made.set(nameOf(way), runs)
      return run.result.stats.tokensPerSecond ?? Number.NaN
    },
  })
  const all = [...ways, ...pairs.flatMap(({ on, off }) => [on, off])]
  const settings = { rounds: prompts.length * repeats, turn, ...(onProgress && { onRun: onProgress }) }
  await interleave(all.map(side), settings)
  const runsOf = (way: Way): Runs => made.get(nameOf(way))!

  const promptTokens = spread(prompts.map((ids) => ids.length))
  const room = model.config.maxPositionEmbeddings - longest - 2
  const context = Math.max(0, Math.min(room, Math.round(promptTokens.median + maxNewTokens / 2)))
  const { passes, costs } = await roundCosts(model, { context, longest, repeats: options.passes, turn })
  const plain = runsOf(plainWay)
  const about = { plain, prompts: prompts.length, costs }
  const rows = ways.map((way) => rowOf(way, runsOf(way), about))
  return {
    prompts: prompts.length,
    promptTokens,
    maxNewTokens,
    tokens: plain.reduce((sum, { result }) => sum + result.tokens.length, 0),
    rows,
    context,
    passCosts: passes,
    attainable: [...new Set(ways.slice(1).map(({ draft }) => draft))].map((draft) => {
      const long = ways.find((way) => way.draft === draft && way.draftLength === `${longest}`)!
      const own = rows.filter((row) => row.draft === draft)
      return attainableOf(draft, { rounds: runsOf(long).flatMap(({ rounds }) => rounds), rows: own, costs, longest })
    }),
    savings: pairs.map(({ name, on, off }) => ({
      name,
      draftLength: on.draftLength,
      ratio: medianInterval(ratios(runsOf(on), runsOf(off), prompts.length)),
      identical: [on, off].every((way) => identical(runsOf(way), about) === prompts.length),
    })),
    leftOut,
  }
}

function nameOf({ draft, draftLength, variant = '' }: Way): string {
  return `${draft} ${draftLength} ${variant}`
}

interface Pair {
  readonly name: string
  readonly on: Way
  readonly off: Way
}

/** Plain decoding first; each draft also with drafts so long that they show how far they hold. */
function waysOf(
  model: Model,
  { drafts, draftLengths, longest, savings, savingsAt }: SpeculateOptions,
): { ways: Way[]; pairs: Pair[]; leftOut: string[] } {
  const lengths = [...new Set([...draftLengths, `${longest}`])]
  const ways = drafts.flatMap((draft) => lengths.map((draftLength) => wayOf(model, { draft, draftLength })))
  const base = wayOf(model, { draft: 'skip', draftLength: savingsAt })
  const pairs = base
    ? savings.map(({ name, on, off }) => ({
        name,
        on: { ...base, variant: `with ${name}`, options: { ...base.options, ...on(model) } },
        off: { ...base, variant: `without ${name}`, options: { ...base.options, ...off(model) } },
      }))
    : []
  return {
    ways: [plainWay, ...ways.filter((way) => way !== undefined)],
    pairs,
    leftOut: drafts.filter((draft) => !wayOf(model, { draft, draftLength: '1' })),
  }
}

interface About {
  readonly plain: Runs
  readonly prompts: number
  readonly costs: RoundCosts
}

function rowOf({ draft, draftLength }: Way, runs: Runs, about: About): SpeculateRow {
  const rounds = runs.flatMap((run) => run.rounds)
  const sum = (figure: 'drafted' | 'accepted'): number => rounds.reduce((total, round) => total + round[figure], 0)
  const ms = (of: Runs): number => of.reduce((total, { result }) => total + result.stats.milliseconds.decode, 0)
  return {
    draft,
    draftLength,
    tokensPerSecond: spread(runs.map(rateOf)),
    ratio: medianInterval(ratios(runs, about.plain, about.prompts)),
    predicted: predictedSpeedup(rounds, about.costs),
    acceptanceRate: sum('drafted') > 0 ? sum('accepted') / sum('drafted') : undefined,
    draftedPerRound: sum('drafted') / rounds.length,
    tokensPerPass: runs.reduce((total, { result }) => total + result.tokens.length, 0) / rounds.length,
    ledger: runs[0]!.lostMs === undefined ? undefined : runs.reduce((sum, run) => sum + run.lostMs!, 0) / ms(runs),
    lost: (ms(runs) - ms(about.plain)) / ms(runs),
    identical: identical(runs, about),
  }
}

function rateOf({ result }: Traced): number {
  return result.stats.tokensPerSecond ?? Number.NaN
}

/** For each prompt the median of its repeats. */
function ratios(above: Runs, below: Runs, prompts: number): number[] {
  const each = above.map((run, round) => rateOf(run) / rateOf(below[round]!))
  return Array.from({ length: prompts }, (_, prompt) => {
    return spread(each.filter((_, round) => round % prompts === prompt)).median
  })
}

/** Prompts of which every text is that of plain decoding. */
function identical(runs: Runs, { plain, prompts }: Pick<About, 'plain' | 'prompts'>): number {
  const differ = runs.map(({ result }, round) => firstDifference(plain[round % prompts]!.result, result) !== undefined)
  return Array.from({ length: prompts }, (_, prompt) => {
    return differ.some((differs, round) => differs && round % prompts === prompt)
  }).filter((differs) => !differs).length
}

/** T(m), and what drafts with the model's own skip set cost. */
async function roundCosts(
  model: Model,
  { context, longest, repeats, turn }: { context: number; longest: number; repeats: number; turn: Turn },
): Promise<{ passes: readonly PassCost[]; costs: RoundCosts }> {
  const { numHiddenLayers } = model.config
  const { skip = noSkip } = model
  const { first } = planSkip(skip, numHiddenLayers)
  const sizes = Array.from({ length: longest + 1 }, (_, i) => ({ rows: i + 1 }))
  const drafting = [skip, allFrom(first, numHiddenLayers), allFrom(0, numHiddenLayers)]
  const all = await passCosts(model, {
    passes: [...sizes, ...drafting.map((set) => ({ rows: 1, skip: set }))],
    context,
    repeats,
    turn,
  })
  const passes = all.slice(0, sizes.length)
  const [draft, prefix, head] = all.slice(sizes.length).map(({ ratio }) => ratio)
  const verify = passes.map(({ ratio }) => ratio)
  return { passes, costs: { draft: draft!, verify, prefixShare: Math.max(0, prefix! - head!) } }
}

/** Every sublayer from this one on. */
function allFrom(sublayer: number, layers: number): SkipSet {
  const list = Array.from({ length: layers }, (_, i) => i)
  return {
    attention: list.filter((layer) => 2 * layer >= sublayer),
    mlp: list.filter((layer) => 2 * layer + 1 >= sublayer),
  }
}

function attainableOf(
  draft: string,
  of: { rounds: readonly RoundOutcome[]; rows: readonly SpeculateRow[]; costs: RoundCosts; longest: number },
): Attainable {
  const { rounds, rows, costs, longest } = of
  const speedups = speedupByLength(rounds, costs, longest)
  const speedup = Math.max(1, ...speedups)
  return {
    draft,
    costs,
    runsModel: rounds.some(({ draftPasses }) => draftPasses > 0),
    survival: survivals(rounds, longest),
    speedups,
    best: { draftLength: speedups.indexOf(speedup) + 1, speedup },
    reached: rows.map(({ draftLength, ratio }) => ({ draftLength, share: ratio.median / speedup })),
  }
}
