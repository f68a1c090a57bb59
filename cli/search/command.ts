// What `drafthorse search` does, from its options to the set that is kept.

import { resolve } from 'node:path'
import { AbortError, ArgumentError } from '../../engine/errors.ts'
import type { Model } from '../../model/load-model.ts'
import { saveSkip } from '../../model/skip-cache.ts'
import { expectCacheTakesFiles } from '../../model/skip-cache-node.ts'
import type { SublayerCosts } from '../../search/costs.ts'
import { expectSameSearch, type JournalHeader, journalFormat, type SearchIdentity } from '../../search/journal.ts'
import { type JournalFile, openJournal } from '../../search/journal-file-node.ts'
import type { SearchLog } from '../../search/ledger.ts'
import type { Objective } from '../../search/objective.ts'
import { runSearch, type SearchOutcome } from '../../search/run.ts'
import { skipOf } from '../../search/space.ts'
import { strategies } from '../../search/strategies/index.ts'
import { type PromptOptions, promptReader } from '../bench/prompts.ts'
import { machine, print } from '../bench/report.ts'
import { version } from '../info.ts'
import { interruptedExit } from '../interrupt.ts'
import { loadWithProgress, type ModelOptions } from '../model-options.ts'
import { showsBlocks } from '../terminal.ts'
import { describeInterrupted, interruptedResult } from './interrupted.ts'
import { detailsOf, expectSkipFilePlace, writeSkipFile } from './out.ts'
import { searchProgress } from './progress.ts'
import { describeSearch, resultOf } from './result.ts'
import { settle } from './settle.ts'
import { type StatusLine, statusLine } from './status-line.ts'
import { openSubject, type Subject } from './subject.ts'
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

/** Of what a draft may be: to measure what rounds cost takes a time that grows with the square of it. */
const mostLongest = 64

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
  if (options.longest > mostLongest) {
    throw new ArgumentError(`--longest is ${options.longest}; expected ${mostLongest} at most`)
  }
  if (out !== undefined) await expectSkipFilePlace(out)
  if (options.save && options.confirm > 0) {
    await expectCacheTakesFiles().catch((cause: ArgumentError) => {
      throw new ArgumentError(`${cause.message}, and --no-save keeps nothing`, { cause })
    })
  }
  const read = await promptReader(options)
  await using file = journal === undefined ? undefined : await openJournal(journal, { resume: options.resume === true })
  const log: SearchLog = file ?? { records: [], append: async () => {} }
  try {
    return await searchWith(options, { file, log, read, signal, worker })
  } catch (error) {
    if (!(error instanceof AbortError && signal.aborted)) throw error
    // Once it looks, a search that is interrupted has an outcome: this one had not come so far.
    const interrupted = { header: file?.header, records: log.records, journal }
    print(options.json, { ...interruptedResult(interrupted), ...machine() }, () => describeInterrupted(interrupted))
    return interruptedExit
  }
}

interface Opened extends Pick<Running, 'log' | 'signal' | 'worker'> {
  readonly file: JournalFile | undefined
  readonly read: Awaited<ReturnType<typeof promptReader>>
}

/** Returns the exit code. Throws `AbortError` where it is interrupted before it looks. */
async function searchWith(options: SearchCommandOptions, { file, log, read, signal, worker }: Opened): Promise<number> {
  const { journal, out } = options
  await using model = await loadWithProgress(options, signal)
  expectLongest(options, model)
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
  const running: Running = { options, model, prompts, subject, log, status, signal, worker }
  const outcome = await look(running)
  const { confirmed, end } = await settle(outcome, { model, subject, log, status, signal, most: options.confirm })
  const chosen = end.kind === 'plain' ? undefined : end.chosen
  const details = chosen && detailsOf(model, { header, costs: subject.costs, chosen })
  const keeps = end.kind === 'set' && options.save
  const failures: unknown[] = []
  const attempt = (written: Promise<string>): Promise<string | undefined> =>
    written.catch((error: unknown) => void failures.push(error))
  const saved = keeps && details && (await attempt(saveSkip(model, skipOf(chosen!.point), details)))
  const write = async (path: string): Promise<string> => {
    await writeSkipFile(path, { model, point: chosen!.point, details: details! })
    return path
  }
  const written = out !== undefined && details ? await attempt(write(out)) : undefined
  status[Symbol.dispose]()
  const found = { model, header: known ?? header, outcome, confirmed, end }
  const result = { ...found, journal, saved: saved || undefined, out: written, save: options.save }
  // What took hours to find is told also where it could not be written.
  print(options.json, resultOf(result), () => describeSearch(result))
  if (failures.length > 0) throw oneOf(failures)
  if (end.kind === 'interrupted') return interruptedExit
  return confirmed.some(({ identical }) => !identical) ? 1 : 0
}

/** A round is timed behind a token that is there, and makes one more than it drafts. */
function expectLongest({ longest }: SearchCommandOptions, { name, config }: Model): void {
  const most = config.maxPositionEmbeddings - 2
  if (longest <= most) return
  throw new ArgumentError(
    `--longest is ${longest}, and the context of ${name} holds ${config.maxPositionEmbeddings} tokens; expected ${most} at most`,
  )
}

function oneOf(failures: readonly unknown[]): unknown {
  const [cause] = failures
  if (failures.length === 1) return cause
  return new ArgumentError(failures.map((error) => (error instanceof Error ? error.message : error)).join('; '), {
    cause,
  })
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
