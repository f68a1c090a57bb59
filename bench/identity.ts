// Identity, run by run: a matrix of backends, types, ways to draft, draft lengths, samplings and prompts, each text compared with
// that of plain decoding. What is compared first is a matter of the seed, so that any number of tokens has something of all.

import { generateBatch } from '../decode/batch.ts'
import type { GenerationResult } from '../decode/events.ts'
import { generate } from '../decode/generate.ts'
import type { GenerateOptions } from '../decode/options.ts'
import { seeded } from '../decode/seeded.ts'
import type { Backend } from '../engine/backend.ts'
import type { WeightDType } from '../engine/dtype.ts'
import { ArgumentError, DrafthorseError } from '../engine/errors.ts'
import { createTurn, type Turn } from '../engine/turn.ts'
import { loadModel, type Model } from '../model/load-model.ts'
import { draftLengths, drafts, promptIds, prompts, samplings, stopStrings } from './identity-matrix.ts'
import { type Difference, firstDifference, type IdentityCase, type IdentityReport, tally } from './identity-report.ts'

export interface IdentityOptions {
  /** Open ones; one with other threads is another. */
  readonly backends: readonly Backend[]
  /** As `loadModel` takes them. */
  readonly models: readonly string[]
  /** Those of them that a backend runs. */
  readonly dtypes: readonly WeightDType[]
  /** By name; default: all that the matrix has. */
  readonly drafts?: readonly string[] | undefined
  readonly draftLengths?: readonly string[] | undefined
  readonly samplings?: readonly string[] | undefined
  readonly prompts?: readonly string[] | undefined
  /**
   * Several texts at once: beside single ones; alone, of several prompts (`'only'`) or samples of one; or not at all. Never
   * where the backend does not promise it.
   */
  readonly batches: 'with' | 'only' | 'samples' | 'without'
  /** What prompts are made of, for models with a tokenizer. */
  readonly texts: readonly string[]
  /** It ends when so many have been compared. */
  readonly tokens: number
  /** New tokens of each text, at most. */
  readonly maxNewTokens: number
  readonly seed: number
  readonly signal?: AbortSignal | undefined
  /** Tokens compared, and to be compared. */
  readonly onProgress?: (done: number, total: number) => void
}

/** A model on a backend in a type. */
interface Station {
  readonly backend: Backend
  readonly model: string
  readonly dtype: WeightDType
  /** Samplings and prompts to come, and ways to draft them: two decks of cards. */
  readonly cases: () => { sampling: string; prompt: string; seed: number }
  readonly ways: () => { draft: string; draftLength: string }
}

/** Visits a model on a backend this often, so that its samplings and prompts get their turns. */
const visits = 12

/** The reference backend is written to be read; so much of the others' share takes it as long as them. */
const shareOfReference = 0.25

/** Of which one less run at once, so that one begins when another has ended. */
const textsOfBatch = 3

/** From so many tokens on a prompt is read once for all texts that follow it. */
const sharedFrom = 64

/** Compares until `tokens` have been compared. Throws {@link ArgumentError} for names that the matrix does not have. */
export async function benchIdentity(options: IdentityOptions): Promise<IdentityReport> {
  const { tokens, maxNewTokens, seed, signal, onProgress } = options
  const turn = createTurn(signal)
  const stations = stationsOf(options)
  const waysOfVisit = Math.max(1, Math.ceil(tokens / (stations.length * visits * maxNewTokens)))
  const results = tally(options)
  const otherThreads = new Map<string, GenerationResult>()
  const isDone = (): boolean => results.tokens() >= tokens
  const order = seeded(seed, 'order')

  while (!isDone()) {
    const before = results.generations()
    for (const station of order.shuffled(stations)) {
      if (isDone()) break
      await visit(station)
    }
    if (results.generations() === before) throw new ArgumentError('nothing of what was asked for can be compared')
  }
  return results.report()

  async function visit(station: Station): Promise<void> {
    const { backend, dtype } = station
    await using model = await loadModel(station.model, { backend, dtype, signal })
    const { sampling, prompt, seed: caseSeed } = station.cases()
    const ids = promptIds(model, prompts[prompt]!, { texts: options.texts, seed: caseSeed })
    if (!ids) return
    const { ends } = prompts[prompt]!
    const settings: GenerateOptions = {
      ...samplings[sampling]!,
      maxNewTokens,
      seed: caseSeed,
      ignoreEos: ends !== 'eos',
      ...(ends === 'stop' && model.hasTokenizer && { stop: stopStrings }),
      sequence: ids.length >= sharedFrom ? model.createSequence() : undefined,
      signal,
    }
    const place = { backend: backend.name, threads: backend.capabilities.threads, model: station.model, dtype }
    const about = { ...place, sampling, prompt, seed: caseSeed, promptTokens: ids.length, batch: 1, samples: 1 }

    const plain = await run(model, { ids, settings: { ...settings, draft: 'none' }, turn })
    const known = [backend.name, station.model, dtype, sampling, prompt, caseSeed].join(' ')
    const elsewhere = otherThreads.get(known)
    if (elsewhere) compare(elsewhere, plain, { ...about, draft: 'none', draftLength: '0' })
    otherThreads.set(known, plain)

    const draftingOf = (now: IdentityCase): GenerateOptions | undefined => {
      const at = { model, seed: caseSeed, promptTokens: ids.length, plain: plain.tokens }
      const drafting = drafts[now.draft]!(at)
      if (!drafting) results.leaveOut(now)
      return drafting && { ...settings, draftLength: draftLengths[now.draftLength], ...drafting }
    }
    const share = backend.name === 'reference' ? shareOfReference : 1
    const singles = options.batches === 'only' || options.batches === 'samples' ? 0 : waysOfVisit * share
    for (let way = 0; way < singles && !isDone(); way++) {
      const now: IdentityCase = { ...about, ...station.ways() }
      const drafting = draftingOf(now)
      if (!drafting) continue
      await orError(now, plain.tokens.length, async () => {
        compare(plain, await run(model, { ids, settings: drafting, turn, onPass: results.pass }), now)
      })
    }
    if (options.batches === 'without' || backend.capabilities.rowInvariant !== true || isDone()) return

    for (const samples of options.batches === 'with'
      ? [1, textsOfBatch]
      : [options.batches === 'only' ? 1 : textsOfBatch]) {
      const now: IdentityCase = { ...about, ...station.ways(), batch: textsOfBatch, samples }
      const drafting = draftingOf(now)
      if (!drafting || isDone()) continue
      const texts = Array.from({ length: textsOfBatch }, (_, i) => {
        return { prompt: samples > 1 ? ids : ids.slice(0, Math.ceil(ids.length / (i + 1))), seed: caseSeed + i }
      })
      const alone: GenerationResult[] = [plain]
      for (const { prompt, seed } of texts.slice(1)) {
        const own = { ...settings, draft: 'none', seed, sequence: undefined } as const
        alone.push(await run(model, { ids: prompt, settings: own, turn }))
      }
      await orError(now, plain.tokens.length, async () => {
        const prompts = texts.slice(0, textsOfBatch / samples)
        const together = await generateBatch(model, prompts, { ...drafting, samples, width: textsOfBatch - 1 }).result
        await turn()
        for (const [i, result] of together.entries()) compare(alone[i]!, result, now)
      })
    }
  }

  /** What fails instead of giving a text is a difference too, in as many tokens as there should have been. */
  async function orError(now: IdentityCase, tokens: number, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof DrafthorseError) || signal?.aborted) throw error
      results.compared(now, { tokens, difference: { what: 'error', message: error.message } })
    }
    onProgress?.(Math.min(results.tokens(), options.tokens), options.tokens)
  }

  function compare(plain: GenerationResult, other: GenerationResult, at: IdentityCase): void {
    const difference: Difference | undefined = firstDifference(plain, other)
    results.compared(at, { tokens: Math.max(plain.tokens.length, other.tokens.length), difference })
  }
}

interface Run {
  readonly ids: readonly number[]
  readonly settings: GenerateOptions
  readonly turn: Turn
  /** Told of each pass that verified: its first row's position, and its rows. */
  readonly onPass?: (start: number, rows: number) => void
}

async function run(model: Model, { ids, settings, turn, onPass }: Run): Promise<GenerationResult> {
  const stream = generate(model, ids, settings)
  let committed = ids.length
  for await (const event of stream) {
    if (event.type === 'draft') onPass?.(committed - 1, event.tokens.length + 1)
    if (event.type === 'token') committed++
  }
  await turn() // an aborted text is a result too, but not one to compare
  return stream.result
}

/** Everything but what is compared there. Throws {@link ArgumentError} where there is nothing. */
function stationsOf(options: IdentityOptions): Station[] {
  const { backends, models, dtypes, seed } = options
  const cases = cross(choose('sampling', samplings, options.samplings), choose('prompt', prompts, options.prompts))
  const ways = cross(
    choose('draft', drafts, options.drafts),
    choose('draft length', draftLengths, options.draftLengths),
  )
  const stations = backends.flatMap((backend) => {
    return models.flatMap((model) => {
      const runs = dtypes.filter((dtype) => backend.capabilities.dtypes.includes(dtype))
      return runs.map((dtype): Station => {
        // With other threads the same texts come, in the same order: they are to be equal too.
        const here = [backend.name, model, dtype]
        const dealCase = deck(cases, seed, ...here, 'cases')
        const dealWay = deck(ways, seed, ...here, backend.capabilities.threads, 'ways')
        return {
          backend,
          model,
          dtype,
          cases() {
            const { card, lap } = dealCase()
            return { sampling: card[0], prompt: card[1], seed: seed + lap }
          },
          ways() {
            const { card } = dealWay()
            return { draft: card[0], draftLength: card[1] }
          },
        }
      })
    })
  })
  if (stations.length > 0) return stations
  const asked = backends.map(({ name }) => name).join(', ')
  throw new ArgumentError(`none of the backends ${asked} runs ${dtypes.join(', ')}`)
}

/** The names asked for, all of them known; without any, all. Throws {@link ArgumentError}. */
function choose(what: string, known: Readonly<Record<string, unknown>>, asked?: readonly string[]): readonly string[] {
  const names = Object.keys(known)
  const stranger = asked?.find((name) => !names.includes(name))
  if (stranger !== undefined) throw new ArgumentError(`there is no ${what} "${stranger}"; there is ${names.join(', ')}`)
  return asked ?? names
}

function cross<A, B>(first: readonly A[], second: readonly B[]): (readonly [A, B])[] {
  return first.flatMap((a) => second.map((b) => [a, b] as const))
}

/** Deals every card once, shuffled, and then again in another order; `lap` counts from 0. */
function deck<T>(
  cards: readonly T[],
  seed: number,
  ...words: readonly (string | number)[]
): () => { card: T; lap: number } {
  const chance = seeded(seed, ...words)
  let left: T[] = []
  let lap = -1
  return () => {
    if (left.length === 0) {
      left = chance.shuffled(cards)
      lap++
    }
    return { card: left.pop()!, lap }
  }
}
