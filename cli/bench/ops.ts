// `drafthorse bench ops`: every op by itself.

import { Command, InvalidArgumentError, Option } from 'commander'
import { benchedOps, benchOps, mostTimedRows, type OpBench } from '../../bench/ops.ts'
import type { Backend } from '../../engine/backend.ts'
import { defaultBackend, openBackend } from '../../engine/open.ts'
import { backendFrom } from '../backend-module.ts'
import { interruptible } from '../interrupt.ts'
import { numberList, wholeNumber } from '../model-options.ts'
import { formatTable } from '../table.ts'
import { figure, machine, print, runner, withProgress } from './report.ts'

interface Options {
  readonly backend: string
  readonly threads?: number
  readonly op?: string[]
  readonly rows: number[]
  readonly seconds: number
  readonly json?: true
}

export function opsCommand(): Command {
  return new Command('ops')
    .description('every op by itself, by weight type, shape and number of rows (needs the package "benchmark")')
    .option('--backend <name>', 'a backend by name, or a module of your own (./mine.ts)', defaultBackend)
    .option('--threads <n>', 'threads, where the backend has a choice', wholeNumber(1))
    .addOption(new Option('--op <names...>', 'only these ops').choices(benchedOps))
    .option('--rows <list>', 'rows of a call', rowList, [1, 2, 4, 8])
    .option('--seconds <n>', 'seconds for each figure', secondsOf, 0.5)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench ops\n  $ drafthorse bench ops --op linear attention --rows 1,8',
    )
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

/** A parser for commander. */
function rowList(text: string): number[] {
  const rows = numberList(text)
  if (rows.some((count) => count < 1 || count > mostTimedRows)) {
    throw new InvalidArgumentError(`Expected numbers from 1 to ${mostTimedRows}.`)
  }
  return [...new Set(rows)]
}

/** Likewise. */
function secondsOf(text: string): number {
  const seconds = Number(text)
  if (text.trim() === '' || !(seconds > 0 && seconds < Number.POSITIVE_INFINITY)) {
    throw new InvalidArgumentError('Expected a number of seconds above 0, like 0.5.')
  }
  return seconds
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const { threads } = options
  const backend = await openBackend(await backendFrom(options.backend), { threads })
  try {
    const ops = await withProgress('figure', (progress) =>
      benchOps(backend, {
        ...(options.op && { ops: options.op }),
        dtypes: backend.capabilities.dtypes,
        rows: options.rows,
        seconds: options.seconds,
        signal,
        ...progress,
      }),
    )
    const report = { format: 'drafthorse/bench-ops@1', ...machine(), ...runner(backend), ops }
    print(options.json, report, () => describe(backend, ops))
  } finally {
    await backend.dispose()
  }
}

/** A line an op, type and shape; a column a number of rows. */
function describe(backend: Backend, results: readonly OpBench[]): string {
  const rows = [...new Set(results.map((result) => result.rows))]
  const lines = results.filter((result) => result.rows === rows[0])
  const table = formatTable(
    [
      { title: 'op' },
      { title: 'shape' },
      ...rows.map((count) => ({ title: `us, ${count} row${count > 1 ? 's' : ''}`, align: 'right' as const })),
      { title: 'GB/s', align: 'right' },
    ],
    lines.map((line) => [
      line.op,
      line.shape,
      ...rows.map((count) => {
        const same = results.find(({ op, shape, rows }) => op === line.op && shape === line.shape && rows === count)
        return same ? figure(same.microseconds, same.microseconds.median < 10 ? 2 : 0) : ''
      }),
      line.gigabytesPerSecond?.toFixed(1) ?? '',
    ]),
  )
  const { device, kind } = backend.capabilities
  return `${backend.name} (${device}, ${kind}); medians (quartiles); GB/s of weights for the first number of rows\n\n${table}\n`
}
