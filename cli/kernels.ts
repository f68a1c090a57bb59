// `drafthorse kernels`: does a backend do what it should on this machine, how exactly and how fast, op by op.

import { arch, availableParallelism, platform } from 'node:os'
import { Command, Option } from 'commander'
import type { Capabilities } from '../engine/backend.ts'
import { AbortError, ArgumentError } from '../engine/errors.ts'
import { openBackend } from '../engine/open.ts'
import {
  allCases,
  type CaseSubject,
  caseSubjects,
  checkBackend,
  defaultSeed,
  type Finding,
  type Limits,
  type OpReport,
  type OpTime,
  type OutcomeEvent,
  type Report,
  timeOps,
} from '../model/conformance.ts'
import { backendFrom } from './backend-module.ts'
import { interruptedExit, interruptible } from './interrupt.ts'
import { type Column, formatTable } from './table.ts'

export interface KernelsOptions {
  /** A name of `listBackends()`, or the path of a module that exports a `BackendModule`. */
  readonly backend: string
  /** Only the cases of this op (or of `memory`, or `model`). */
  readonly op?: string | undefined
  readonly seed?: number | undefined
  /** Error limits by op, where a device computes less exactly. */
  readonly limits?: Limits | undefined
  /** One JSON object on `stdout` instead of the table. */
  readonly json?: boolean | undefined
  readonly signal?: AbortSignal | undefined
}

/** Where the output goes. */
export interface Streams {
  readonly stdout: { write(text: string): unknown }
  readonly stderr: { write(text: string): unknown; readonly isTTY?: boolean | undefined }
}

const subjects: readonly CaseSubject[] = [...caseSubjects, 'model']

export function kernelsCommand(): Command {
  return new Command('kernels')
    .description('check a backend on this machine, op by op: error, row invariance, speed')
    .addOption(
      new Option('--backend <name>', 'a backend by name, or a module of your own (./mine.ts)').default('reference'),
    )
    .option('--op <name>', `only the cases of one of ${subjects.join(', ')}`)
    .option('--seed <number>', 'where all inputs come from', parseSeed, defaultSeed)
    .option('--limit <op=error>', 'another error limit for an op, like rmsNorm=1e-6 (repeatable)', collectLimit)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      `
A module exports a BackendModule as its default, for example withOps(reference, { rmsNorm }).
The exit code is 1 when a case failed.

Examples:
  $ drafthorse kernels --backend reference --op attention
  $ drafthorse kernels --backend ./my-rms-norm.ts --op rmsNorm --json`,
    )
    .action(async ({ limit, ...options }: KernelsOptions & { limit?: Limits }) => {
      process.exitCode = await interruptible((signal) => kernels({ ...options, limits: limit, signal }))
    })
}

/**
 * Runs the conformance cases on a backend, times its ops, and prints what was found. Returns the exit code: 0, or 1 when
 * a case failed, or 130 when the signal ended it. Throws {@link ArgumentError}, {@link NotFoundError} or
 * {@link BackendUnavailableError} for a backend that cannot be had.
 */
export async function kernels(options: KernelsOptions, { stdout, stderr }: Streams = process): Promise<number> {
  const { op, seed = defaultSeed, limits, signal } = options
  const ops = op === undefined ? undefined : [subjectOf(op)]
  const module = await backendFrom(options.backend)
  const open = () => openBackend(module)
  const backend = await open()
  try {
    const clear = stderr.isTTY ? '\r\u001b[K' : ''
    const onOutcome = ({ case: item, done, total }: OutcomeEvent): void => {
      if (stderr.isTTY) stderr.write(`${clear}${done}/${total} ${item.op}: ${item.name}`.slice(0, 78))
    }
    const report = await checkBackend(backend, {
      ops,
      cases: allCases({ seed, limits, open }),
      seed,
      onOutcome,
      signal,
    })
    stderr.write(clear)
    if (!report.aborted && stderr.isTTY) stderr.write('timing')
    const times = report.aborted ? undefined : await timesOf(() => timeOps(backend, { ops, signal }))
    stderr.write(clear)
    if (!times) {
      const run = Object.values(report.counts).reduce((a, b) => a + b)
      stderr.write(`stopped after ${run} cases, ${report.counts.failed} of which failed\n`)
      return interruptedExit
    }
    const found = { times, oneWidth: backend.capabilities.oneWidth }
    stdout.write(options.json ? `${JSON.stringify(asJson(report, found))}\n` : reportText(report, found))
    return report.counts.failed > 0 ? 1 : 0
  } finally {
    await backend.dispose()
  }
}

function subjectOf(op: string): CaseSubject {
  const subject = subjects.find((known) => known === op)
  if (!subject) throw new ArgumentError(`there is no op "${op}"; there are cases of ${subjects.join(', ')}`)
  return subject
}

/** Nothing when the measurement was aborted. */
async function timesOf(measure: () => Promise<OpTime[]>): Promise<OpTime[] | undefined> {
  try {
    return await measure()
  } catch (error) {
    if (error instanceof AbortError) return undefined
    throw error
  }
}

function parseSeed(text: string): number {
  const seed = Number(text)
  if (text !== '' && Number.isInteger(seed) && seed >= 0 && seed < 2 ** 32) return seed
  throw new ArgumentError(`--seed is "${text}", expected a whole number below 2^32`)
}

function collectLimit(text: string, before: Limits = {}): Limits {
  const [op = '', value = ''] = text.split('=', 2)
  const limit = Number(value)
  if (value === '' || !(limit >= 0))
    throw new ArgumentError(`--limit is "${text}", expected something like rmsNorm=1e-6`)
  return { ...before, [subjectOf(op)]: limit }
}

function timeOf(times: readonly OpTime[], { op, dtype }: OpReport): OpTime | undefined {
  return times.find((time) => time.op === op && time.dtype === dtype)
}

/** What the checks do not find. */
interface Measured {
  readonly times: readonly OpTime[]
  readonly oneWidth: Capabilities['oneWidth']
}

function asJson(report: Report, { times, oneWidth }: Measured) {
  return {
    format: 'drafthorse/kernels@1',
    machine: {
      node: process.version,
      platform: `${platform()} ${arch()}`,
      cores: availableParallelism(),
    },
    ...report,
    ...(oneWidth && { oneWidth: { ...oneWidth, costs: oneWidthCosts(times), unit: 'microseconds' } }),
    ops: report.ops.map((op) => {
      const { shape, oneRow, eightRows, gigabytesPerSecond } = timeOf(times, op) ?? {}
      return { ...op, speed: shape && { shape, oneRow, eightRows, gigabytesPerSecond, unit: 'microseconds' } }
    }),
  }
}

const columns: readonly Column[] = [
  { title: 'op' },
  { title: 'weights' },
  { title: 'cases', align: 'right' },
  { title: 'error', align: 'right' },
  { title: 'limit', align: 'right' },
  { title: 'row-invariant' },
  { title: '1 row, us', align: 'right' },
  { title: '8 rows, us', align: 'right' },
  { title: 'GB/s', align: 'right' },
  { title: '' },
]

function reportText(report: Report, { times, oneWidth }: Measured): string {
  const rows = report.ops.map((op) => {
    const time = timeOf(times, op)
    return [
      op.op,
      op.dtype ?? '',
      String(op.cases),
      op.error === undefined ? '' : op.error === 0 ? '0' : op.error.toExponential(1),
      op.limit === undefined ? '' : op.limit === 0 ? 'equal' : op.limit.toExponential(),
      invarianceText(op.rowInvariant),
      time ? figure(time.oneRow) : '',
      time ? figure(time.eightRows) : '',
      time?.gigabytesPerSecond === undefined ? '' : time.gigabytesPerSecond.toFixed(1),
      op.failed > 0 ? `FAILED ${op.failed}` : op.cases === 0 ? 'skipped' : 'ok',
    ]
  })
  const { ok, failed, found, skipped } = report.counts
  const counts = [
    `${ok} ok`,
    `${failed} failed`,
    ...(found > 0 ? [`${found} found not invariant`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ]
  return [
    `${report.backend} on ${report.device} (${report.kind}), row invariance promised: ${invarianceText(report.rowInvariant)}`,
    ...(report.invariance === undefined ? [] : [`found when it was opened: ${report.invariance}`]),
    '',
    formatTable(columns, rows),
    '',
    `${ok + failed + found + skipped} cases: ${counts.join(', ')}; seed ${report.seed}`,
    ...reasons(report.skipped),
    ...oneWidthTexts(times, oneWidth),
    ...list('FAILED', report.failures),
    ...list('not invariant', report.found),
    '',
  ].join('\n')
}

/** Microseconds of products of one row, and of the rows that all would have at one width. */
function oneWidthCosts(times: readonly OpTime[]) {
  return times.flatMap(({ dtype, oneRow, atWidth }) => (atWidth === undefined ? [] : [{ dtype, oneRow, atWidth }]))
}

function oneWidthTexts(times: readonly OpTime[], oneWidth: Measured['oneWidth']): string[] {
  if (!oneWidth || !times.some(({ op }) => op === 'linear')) return []
  const { rows, inForce } = oneWidth
  if (inForce)
    return [`one width of ${rows} rows is in force: 1 row takes as long, and there is nothing to compare it with`]
  return oneWidthCosts(times).map(({ dtype, oneRow, atWidth }) => {
    const ratio = (atWidth / oneRow).toFixed(1)
    return `one width of ${rows} rows for ${dtype} products would cost ${ratio} times one row: ${figure(atWidth)} us instead of ${figure(oneRow)}`
  })
}

function invarianceText(found: Report['rowInvariant'] | undefined): string {
  if (found === undefined) return ''
  return found === true ? 'yes' : found === false ? 'no' : 'at one width'
}

function figure(microseconds: number): string {
  return microseconds < 100 ? microseconds.toPrecision(2) : microseconds.toFixed(0)
}

/** Findings of one kind that are shown: cases begin with the smallest shapes, in which a mistake is found most easily. */
const mostShown = 3

function list(title: string, findings: readonly Finding[]): string[] {
  const groups = new Map<string, Finding[]>()
  for (const finding of findings) {
    const { op, kind, dtype } = finding
    const what = [op, ...(dtype ? [dtype] : []), kind].join(' ')
    groups.set(what, [...(groups.get(what) ?? []), finding])
  }
  return [...groups].flatMap(([what, all]) => {
    const shown = all.slice(0, mostShown).map(({ name, message }) => {
      return `\n${title} ${what}: ${name}\n  ${message.replaceAll('\n', '\n  ')}`
    })
    const rest = all.length - shown.length
    return rest > 0 ? [...shown, `\n${title} ${what}: ${rest} more, which --json lists`] : shown
  })
}

function reasons(skipped: readonly Finding[]): string[] {
  const counts = new Map<string, number>()
  for (const { message } of skipped) counts.set(message, (counts.get(message) ?? 0) + 1)
  return [...counts].map(([reason, count]) => `skipped ${count}: ${reason}`)
}
