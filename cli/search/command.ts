// What `drafthorse search` does, from its options to the set that is kept.

import { resolve } from 'node:path'
import { AbortError, ArgumentError, ModelFormatError } from '../../engine/errors.ts'
import type { Model } from '../../model/load-model.ts'
import { saveSkip } from '../../model/skip-cache.ts'
import type { SublayerCosts } from '../../search/costs.ts'
import {
  type ConfirmedRecord,
  expectSameSearch,
  type JournalHeader,
  journalFormat,
  type SearchIdentity,
} from '../../search/journal.ts'
import { openJournal } from '../../search/journal-file-node.ts'
import type { SearchLog } from '../../search/ledger.ts'
import type { Found } from '../../search/memory.ts'
import type { Objective } from '../../search/objective.ts'
import { runSearch, type SearchOutcome } from '../../search/run.ts'
import { keyOf, type Point, pointOfSkip, skipOf } from '../../search/space.ts'
import { strategies } from '../../search/strategies/index.ts'
import { type PromptOptions, promptReader } from '../bench/prompts.ts'
import { print } from '../bench/report.ts'
import { version } from '../info.ts'
import { interruptedExit } from '../interrupt.ts'
import { loadWithProgress, type ModelOptions } from '../model-options.ts'
import { showsBlocks } from '../terminal.ts'
import { confirmSets } from './confirm-sets.ts'
import { detailsOf, skipFilePlace, writeSkipFile } from './out.ts'
import { searchProgress } from './progress.ts'
import { describeSearch, type End, resultOf } from './result.ts'
import { type StatusLine, statusLine } from './status-line.ts'
import { openSubject, type Subject } from './subject.ts'
import { candidatesOf, fastest } from './verdict.ts'
import type { WorkerBegin } from './worker.ts'
import { startWorkers } from './workers.ts'

export interface SearchCommandOptions extends ModelOptions, PromptOptions {
  readonly strategy: string
  readonly evaluations?: number
  readonly seconds?: number
  readonly seed: number
  readonly maxNewTokens: number
  readonly longest: number
  readonly journal?: string
  readonly resume?: true
  readonly workers: number
  readonly workerThreads: number
  readonly confirm: number
  readonly out?: string
  /** False where `--no-save` is given. */
  readonly save: boolean
  readonly json?: true
}

/** What is at hand once the model is loaded. */
interface Running {
  readonly options: SearchCommandOptions
  readonly model: Model
  readonly prompts: readonly (readonly number[])[]
  readonly subject: Subject
  readonly log: SearchLog
  readonly status: StatusLine
  readonly signal: AbortSignal
  /** The script of a worker. */
  readonly worker: URL
}

/** Returns the exit code. */
export async function runSearchCommand(
  options: SearchCommandOptions,
  { signal, worker }: { signal: AbortSignal; worker: URL },
): Promise<number> {
  const { journal, out } = options
  // What would be in the way in the end is told before anything takes time.
  if (journal !== undefined && out !== undefined && resolve(journal) === resolve(out)) {
    throw new ArgumentError(`--journal and --out name the same file, ${out}; give each its own`)
  }
  const place = out === undefined ? undefined : await skipFilePlace(out)
  const read = await promptReader(options)
  await using file = journal === undefined ? undefined : await openJournal(journal, { resume: options.resume === true })
  await using model = await loadWithProgress(options, signal)
  if (options.save && model.id === undefined)
    throw new ArgumentError(`${model.name} has no id to keep a set under; give --no-save`)
  const prompts = await read(model)
  using status = statusLine()
  const known = file?.header
  const identity = identityOf(model, { options, prompts })
  if (known) expectSameSearch(known, { ...identity, objective: known.objective }, journal!)
  using subject = await openSubject(
    model,
    { prompts, maxNewTokens: options.maxNewTokens, longest: options.longest, costs: known && costsIn(known) },
    { signal, onProgress: (what, done, total) => status.show(`${what} ${done} of ${total}`) },
  )
  const header = headerOf({ ...identity, objective: subject.objective.id }, subject)
  if (known) expectSameSearch(known, header, journal!)
  else await file?.append(header)
  const log: SearchLog = file ?? { records: [], append: async () => {} }
  const running: Running = { options, model, prompts, subject, log, status, signal, worker }
  const outcome = await look(running)
  const { confirmed, end } = await settle(running, outcome)
  const chosen = end.kind === 'plain' ? undefined : end.chosen
  const details = chosen && detailsOf(model, { header, costs: subject.costs, chosen })
  const keeps = end.kind === 'set' && options.save
  const saved = keeps && details ? await saveSkip(model, skipOf(chosen!.point), details) : undefined
  if (place && chosen && details) await writeSkipFile(place, { model, point: chosen.point, details })
  status[Symbol.dispose]()
  const result = { model, header: known ?? header, outcome, confirmed, end, journal, saved, out: chosen && out }
  print(options.json, resultOf(result), () => describeSearch(result))
  if (end.kind === 'interrupted') return interruptedExit
  return confirmed.some(({ identical }) => !identical) ? 1 : 0
}

function identityOf(
  model: Model,
  { options, prompts }: Pick<Running, 'options' | 'prompts'>,
): Omit<SearchIdentity, 'objective'> {
  const { name, id, backend, summary, sublayers } = model
  return {
    model: name,
    modelId: id ?? 'unknown',
    backend: backend.name,
    dtype: summary.dtype,
    threads: backend.capabilities.threads,
    sublayers,
    draftLengths: options.longest,
    prompts: { count: prompts.length, tokens: prompts.reduce((sum, ids) => sum + ids.length, 0) },
  }
}

function headerOf(identity: SearchIdentity, { costs }: Subject): JournalHeader {
  const { sublayers, around, verify } = costs
  const date = new Date().toISOString()
  return { format: journalFormat, ...identity, costs: sublayers, around, verify, version, date }
}

function costsIn({ costs: sublayers, around, verify }: JournalHeader): SublayerCosts {
  return { sublayers, around, verify }
}

/** The search itself, in this process or by workers, which end with it. */
async function look({ options, prompts, subject, log, status, signal, worker }: Running): Promise<SearchOutcome> {
  const { strategy, evaluations = 60, seconds, seed, maxNewTokens, longest } = options
  const chosen = strategies.filter(({ name }) => strategy === 'all' || name === strategy)
  const { columns } = status
  const line = searchProgress({
    strategies: chosen.length,
    columns,
    blocks: showsBlocks(),
    clock: () => performance.now(),
  })
  const search = (objective: Objective, width: number): Promise<SearchOutcome> =>
    runSearch(objective, {
      strategies: chosen,
      seed,
      budget: seconds === undefined ? { evaluations } : { seconds },
      log,
      width,
      signal,
      onEvaluation: (event) => status.show(line(event)),
    })
  const { objective, costs } = subject
  if (options.workers === 1) return search(objective, 1)
  const threads = options.workerThreads
  const begin: WorkerBegin = {
    model: { model: options.model, backend: options.backend, threads, ...(options.dtype && { dtype: options.dtype }) },
    subject: { prompts, maxNewTokens, longest, costs },
  }
  status.show(`starting ${options.workers} workers`)
  await using workers = await startWorkers({ count: options.workers, script: worker, begin, objective, signal })
  return await search(workers, options.workers)
}

/** Times the best sets, and says which is to be kept. */
async function settle(running: Running, outcome: SearchOutcome): Promise<{ confirmed: ConfirmedRecord[]; end: End }> {
  const { options, log, signal } = running
  const untimed = (kind: 'untimed' | 'interrupted'): End => {
    const [best] = candidatesOf(outcome.found, { own: undefined, most: 1 })
    return { kind, chosen: best && { ...best, confirmed: undefined } }
  }
  if (outcome.interrupted) return { confirmed: [], end: untimed('interrupted') }
  if (options.confirm === 0) return { confirmed: [], end: untimed('untimed') }
  const confirmed: ConfirmedRecord[] = []
  try {
    const own = await ownOf(running)
    const candidates = candidatesOf(outcome.found, { own, most: options.confirm })
    const { model, subject, status } = running
    const timed = await confirmSets(model, {
      sets: candidates,
      recording: subject.recording,
      signal,
      onProgress: (done, total) => status.show(`timing text ${done} of ${total}`),
    })
    for (const record of timed) {
      confirmed.push(record)
      await log.append(record)
    }
    const winner = fastest(confirmed)
    const found = winner && candidates.find(({ key }) => key === winner.key)
    return { confirmed, end: found ? { kind: 'set', chosen: { ...found, confirmed: winner } } : { kind: 'plain' } }
  } catch (error) {
    if (!(error instanceof AbortError && signal.aborted)) throw error
    return { confirmed, end: untimed('interrupted') }
  }
}

/** The set that the model has: what is kept is to be no slower. A damaged one is none. */
async function ownOf({ model, subject, signal }: Running): Promise<Found | undefined> {
  let point: Point
  try {
    if (!model.skip) return undefined
    point = pointOfSkip(model.skip, model.config.numHiddenLayers)
  } catch (error) {
    if (error instanceof ModelFormatError) return undefined
    throw error
  }
  const [evaluation] = await subject.objective.evaluate([point], signal)
  return { key: keyOf(point), point, ...evaluation! }
}
