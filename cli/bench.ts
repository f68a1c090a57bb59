// `drafthorse bench`: measurements, each against something, in one run.

import { readFile } from 'node:fs/promises'
import { cpus } from 'node:os'
import { Command } from 'commander'
import { benchDecode, type DecodeBench } from '../bench/decode.ts'
import type { Spread } from '../decode/timing.ts'
import type { Model } from '../model/load-model.ts'
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
  return new Command('bench').description('measure on this machine').addCommand(decodeCommand())
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
  const report = { format: 'drafthorse/bench-decode@1', ...conditions(model), ...result }
  process.stdout.write(options.json ? `${JSON.stringify(report)}\n` : describe(model, result))
  if (result.rows.some(({ identical }) => identical < result.prompts)) process.exitCode = 1
}

function conditions({ name, backend, summary }: Model) {
  const { device, kind, threads, rowInvariant } = backend.capabilities
  return {
    version,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    model: name,
    running: summary.running,
    backend: backend.name,
    device,
    kind,
    threads,
    rowInvariant,
  }
}

function describe(model: Model, result: DecodeBench): string {
  const { cpu, cores, node, device, kind } = conditions(model)
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
  const passes = formatTable(
    [
      { title: 'rows in a pass', align: 'right' },
      { title: 'ms', align: 'right' },
      { title: 'T(m)/T(1)', align: 'right' },
    ],
    result.passCosts.map(({ rows, ms, ratio }) => [`${rows}`, figure(ms, 2), ratio.toFixed(2)]),
  )
  return `${about.join('\n')}\n\n${ways}\n\n${passes}\n`
}

function figure({ median, low, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`
}
