// `drafthorse bench`: measurements, each against something, in one run.

import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { Command } from 'commander'
import { benchDecode, type DecodeBench } from '../bench/decode.ts'
import { benchOps, type OpBench } from '../bench/ops.ts'
import type { Spread } from '../decode/timing.ts'
import type { Backend } from '../engine/backend.ts'
import { openBackend } from '../engine/open.ts'
import type { Model } from '../model/load-model.ts'
import { backendFrom } from './backend-module.ts'
import { version } from './info.ts'
import { interruptible } from './interrupt.ts'
import { addModelOptions, loadWithProgress, type ModelOptions, numberList, wholeNumber } from './model-options.ts'
import { percent } from './summary.ts'
import { formatTable } from './table.ts'

interface DecodeOptions extends ModelOptions {
  readonly prompts?: string
  readonly limit: number
  readonly maxNewTokens: number
  readonly draftLengths: number[]
  readonly json?: true
}

export function benchCommand(): Command {
  return new Command('bench')
    .description('measure on this machine')
    .addCommand(decodeCommand())
    .addCommand(opsCommand())
}

function decodeCommand(): Command {
  return addModelOptions(new Command('decode'))
    .description('plain against self-speculative decoding, interleaved, and what a pass costs by its rows')
    .option('--prompts <file>', 'a text file, a prompt a line (default: the 16 openings of the embedded model)')
    .option('--limit <n>', 'prompts to use at most', wholeNumber(1), 16)
    .option('--max-new-tokens <n>', 'tokens to generate for each prompt', wholeNumber(1), 128)
    .option('--draft-lengths <list>', 'draft lengths to compare with plain decoding', numberList, [3, 4])
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench decode\n  $ drafthorse bench decode --limit 4 --draft-lengths 2,4,6 --json',
    )
    .action((options: DecodeOptions) => interruptible((signal) => runDecode(options, signal)))
}

async function runDecode(options: DecodeOptions, signal: AbortSignal): Promise<void> {
  const file = options.prompts ?? new URL('../../models/stories/openings.txt', import.meta.url)
  const lines = (await readFile(file, 'utf8')).split(/\r?\n/).filter((line) => line.trim() !== '')
  await using model = await loadWithProgress(options, signal)
  const shows = process.stderr.isTTY
  const result = await benchDecode(model, {
    prompts: lines.slice(0, options.limit),
    maxNewTokens: options.maxNewTokens,
    draftLengths: options.draftLengths,
    rows: [1, 2, 4, 5, 8],
    signal,
    ...(shows && { onProgress: (done, total) => void process.stderr.write(`\rrun ${done} of ${total}\u001b[K`) }),
  })
  if (shows) process.stderr.write('\r\u001b[K')
  const report = {
    format: 'drafthorse/bench-decode@1',
    ...machine(),
    ...runner(model.backend),
    model: model.name,
    running: model.summary.running,
    ...result,
  }
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describe(model, result))
  if (result.rows.some(({ identical }) => identical < result.prompts)) process.exitCode = 1
}

interface OpsOptions {
  readonly backend: string
  readonly op?: string[]
  readonly rows: number[]
  readonly seconds: number
  readonly json?: true
}

function opsCommand(): Command {
  return new Command('ops')
    .description('every op by itself, by weight type and number of rows (needs the package "benchmark")')
    .option('--backend <name>', 'a backend by name, or a module of your own (./mine.ts)', 'reference')
    .option('--op <names...>', 'only these ops')
    .option('--rows <list>', 'rows of a call', numberList, [1, 2, 4, 8])
    .option('--seconds <n>', 'seconds for each figure', Number, 0.5)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench ops\n  $ drafthorse bench ops --op linear attention --rows 1,8',
    )
    .action((options: OpsOptions) => interruptible((signal) => runOps(options, signal)))
}

async function runOps(options: OpsOptions, signal: AbortSignal): Promise<void> {
  const backend = await openBackend(await backendFrom(options.backend))
  const shows = process.stderr.isTTY
  try {
    const ops = await benchOps(backend, {
      ...(options.op && { ops: options.op }),
      dtypes: backend.capabilities.dtypes,
      rows: options.rows,
      seconds: options.seconds,
      signal,
      ...(shows && { onProgress: (done, total) => void process.stderr.write(`\rfigure ${done} of ${total}\u001b[K`) }),
    })
    if (shows) process.stderr.write('\r\u001b[K')
    const report = { format: 'drafthorse/bench-ops@1', ...machine(), ...runner(backend), ops }
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describeOps(backend, ops))
  } finally {
    await backend.dispose()
  }
}

/** A line an op and type; a column a number of rows. */
function describeOps(backend: Backend, results: readonly OpBench[]): string {
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
        const same = results.find(({ op, dtype, rows }) => op === line.op && dtype === line.dtype && rows === count)
        return same ? figure(same.microseconds, same.microseconds.median < 10 ? 2 : 0) : ''
      }),
      line.gigabytesPerSecond?.toFixed(1) ?? '',
    ]),
  )
  const { device, kind } = backend.capabilities
  return `${backend.name} (${device}, ${kind}); medians (quartiles); GB/s of weights for the first number of rows\n\n${table}\n`
}

function machine() {
  const platform = `${process.platform} ${process.arch}`
  return { version, node: process.version, platform, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length }
}

function runner({ name, capabilities: { device, kind, threads, rowInvariant } }: Backend) {
  return { backend: name, device, kind, threads, rowInvariant }
}

function describe(model: Model, result: DecodeBench): string {
  const { cpu, cores, node } = machine()
  const { device, kind } = runner(model.backend)
  const about = [
    `${model.name} on ${model.backend.name} (${device}, ${kind}); ${cpu}, ${cores} cores, Node ${node}`,
    `${result.prompts} prompts, ${result.maxNewTokens} new tokens each, greedy, end of sequence ignored, interleaved;`,
    'medians (quartiles)',
  ]
  const ways = formatTable(
    [
      { title: 'drafted a round' },
      { title: 'tokens/s', align: 'right' },
      { title: 'speed-up', align: 'right' },
      { title: 'accepted', align: 'right' },
      { title: 'tokens a pass', align: 'right' },
      { title: 'identical', align: 'right' },
    ],
    result.rows.map((row) => [
      row.draftLength === 0 ? '0 (plain)' : `${row.draftLength}`,
      figure(row.tokensPerSecond, 1),
      figure(row.speedup, 2),
      row.acceptanceRate === undefined ? '-' : percent(row.acceptanceRate),
      row.tokensPerPass.toFixed(2),
      `${row.identical} of ${result.prompts}`,
    ]),
  )
  const counts = result.passCosts.some(({ operations }) => operations)
  const passes = formatTable(
    [
      { title: 'rows in a pass', align: 'right' },
      { title: 'ms', align: 'right' },
      { title: 'T(m)/T(1)', align: 'right' },
      ...(counts
        ? [
            { title: 'operations', align: 'right' as const },
            { title: 'us each', align: 'right' as const },
          ]
        : []),
    ],
    result.passCosts.map(({ rows, ms, ratio, operations }) => [
      `${rows}`,
      figure(ms, 2),
      ratio.toFixed(2),
      ...(operations ? [`${operations.count}`, operations.microseconds.toFixed(1)] : []),
    ]),
  )
  return `${about.join('\n')}\n\n${ways}\n\n${passes}\n`
}

function figure({ median, low, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`
}
