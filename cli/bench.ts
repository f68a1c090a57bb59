// `drafthorse bench`: measurements, each against something, in one run.

import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { Command, Option } from 'commander'
import { benchDecode, type DecodeBench } from '../bench/decode.ts'
import { benchOps, type OpBench } from '../bench/ops.ts'
import type { PassCost } from '../bench/pass-cost.ts'
import { type Payoff, payoff } from '../bench/payoff.ts'
import { randomLlama, shapes } from '../bench/shapes.ts'
import type { Spread } from '../decode/timing.ts'
import type { Backend } from '../engine/backend.ts'
import { openBackend } from '../engine/open.ts'
import { createTurn } from '../engine/turn.ts'
import type { Model } from '../model/load-model.ts'
import { backendFrom } from './backend-module.ts'
import { version } from './info.ts'
import { interruptible } from './interrupt.ts'
import {
  addModelOptions,
  type DraftLengthOption,
  draftLength,
  loadWithProgress,
  type ModelOptions,
  numberList,
  wholeNumber,
} from './model-options.ts'
import { percent } from './summary.ts'
import { formatTable } from './table.ts'

interface DecodeOptions extends ModelOptions {
  readonly prompts?: string
  readonly limit: number
  readonly maxNewTokens: number
  readonly draftLengths: DraftLengthOption[]
  readonly json?: true
}

export function benchCommand(): Command {
  return new Command('bench')
    .description('measure on this machine')
    .addCommand(decodeCommand())
    .addCommand(payoffCommand())
    .addCommand(opsCommand())
}

function decodeCommand(): Command {
  return addModelOptions(new Command('decode'))
    .description('plain against self-speculative decoding, interleaved, and what a pass costs by its rows')
    .option('--prompts <file>', 'a text file, a prompt a line (default: the 16 openings of the embedded model)')
    .option('--limit <n>', 'prompts to use at most', wholeNumber(1), 16)
    .option('--max-new-tokens <n>', 'tokens to generate for each prompt', wholeNumber(1), 128)
    .option(
      '--draft-lengths <list>',
      'draft lengths to compare with plain decoding: numbers, or "threshold"',
      (text): DraftLengthOption[] => text.split(',').map(draftLength),
      [3, 4, 'threshold'],
    )
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench decode\n  $ drafthorse bench decode --limit 4 --draft-lengths 2,4,threshold --json',
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

interface PayoffCommandOptions extends ModelOptions {
  readonly shape?: string
  readonly longest: number
  readonly context: number
  readonly repeats: number
  readonly json?: true
}

function payoffCommand(): Command {
  return addModelOptions(new Command('payoff'))
    .description('what passes cost here by their rows, and which acceptance makes drafting pay')
    .addOption(
      new Option('--shape <name>', 'random weights of the shape of a larger model, in place of --model').choices(
        Object.keys(shapes),
      ),
    )
    .option('--longest <n>', 'the longest draft to consider', wholeNumber(1), 8)
    .option('--context <n>', 'cached tokens before each pass', wholeNumber(0), 64)
    .option('--repeats <n>', 'passes of each kind', wholeNumber(1), 9)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench payoff\n  $ drafthorse bench payoff --shape smollm2-135m --backend tfjs:tensorflow',
    )
    .action((options: PayoffCommandOptions) => interruptible((signal) => runPayoff(options, signal)))
}

async function runPayoff(options: PayoffCommandOptions, signal: AbortSignal): Promise<void> {
  const turn = createTurn(signal)
  const settings = {
    shares: [0.25, 0.5, 0.75],
    acceptances: [0.7, 0.8, 0.9, 0.95],
    longest: options.longest,
    context: options.context,
    repeats: options.repeats,
    turn,
  }
  const tell = (name: string, backend: Backend, result: Payoff): void => {
    const about = { format: 'drafthorse/bench-payoff@1', ...machine(), ...runner(backend), model: name }
    const report = { ...about, context: options.context, ...result }
    process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describePayoff(name, backend, result))
  }
  if (options.shape === undefined) {
    await using model = await loadWithProgress(options, signal)
    tell(model.name, model.backend, await payoff(model, settings))
    return
  }
  const { dtype, threads } = options
  const backend = await openBackend(await backendFrom(options.backend), { threads })
  try {
    const llama = await randomLlama(backend, shapes[options.shape]!, { dtype, turn })
    tell(`random weights of ${options.shape}'s shape`, backend, await payoff(llama, settings))
  } finally {
    await backend.dispose()
  }
}

function describePayoff(name: string, backend: Backend, { passes, rows }: Payoff): string {
  const gains = formatTable(
    [
      { title: 'layers skipped', align: 'right' },
      { title: 'a draft costs', align: 'right' },
      { title: 'pays from', align: 'right' },
      ...rows[0]!.gains.map(({ acceptance }) => ({ title: `at ${percent(acceptance)}`, align: 'right' as const })),
    ],
    rows.map(({ share, draftCost, breakEven, gains }) => [
      percent(share),
      draftCost.toFixed(2),
      breakEven < 1 ? percent(breakEven) : 'never',
      ...gains.map(({ draftLength, speedup }) =>
        draftLength === 0 ? '1 (plain)' : `${speedup.toFixed(2)} (${draftLength})`,
      ),
    ]),
  )
  return [
    aboutRun(name, backend),
    'medians (quartiles)',
    '',
    passTable(passes),
    '',
    'Speed-up by the chance that a drafted token is right, at the best draft length (in brackets), without prefix reuse:',
    '',
    gains,
    '',
  ].join('\n')
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

function aboutRun(name: string, backend: Backend): string {
  const { cpu, cores, node } = machine()
  const { device, kind } = runner(backend)
  return `${name} on ${backend.name} (${device}, ${kind}); ${cpu}, ${cores} cores, Node ${node}`
}

function describe(model: Model, result: DecodeBench): string {
  const about = [
    aboutRun(model.name, model.backend),
    `${result.prompts} prompts, ${result.maxNewTokens} new tokens each, greedy, end of sequence ignored, interleaved;`,
    'medians (quartiles)',
  ]
  const ways = formatTable(
    [
      { title: 'draft length' },
      { title: 'tokens/s', align: 'right' },
      { title: 'speed-up', align: 'right' },
      { title: 'drafted a round', align: 'right' },
      { title: 'accepted', align: 'right' },
      { title: 'tokens a pass', align: 'right' },
      { title: 'identical', align: 'right' },
    ],
    result.rows.map((row) => [
      row.draftLength === 0 ? '0 (plain)' : `${row.draftLength}`,
      figure(row.tokensPerSecond, 1),
      figure(row.speedup, 2),
      row.draftedPerRound.toFixed(2),
      row.acceptanceRate === undefined ? '-' : percent(row.acceptanceRate),
      row.tokensPerPass.toFixed(2),
      `${row.identical} of ${result.prompts}`,
    ]),
  )
  return `${about.join('\n')}\n\n${ways}\n\n${passTable(result.passCosts)}\n`
}

function passTable(costs: readonly PassCost[]): string {
  const counts = costs.some(({ operations }) => operations)
  return formatTable(
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
    costs.map(({ rows, ms, ratio, operations }) => [
      `${rows}`,
      figure(ms, 2),
      ratio.toFixed(2),
      ...(operations ? [`${operations.count}`, operations.microseconds.toFixed(1)] : []),
    ]),
  )
}

function figure({ median, low, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`
}
