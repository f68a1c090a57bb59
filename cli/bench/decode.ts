// `drafthorse bench decode`: plain against self-speculative decoding.

import { Command, InvalidArgumentError } from 'commander'
import { benchDecode, type DecodeBench } from '../../bench/decode.ts'
import { isBlockType, type WeightDType } from '../../engine/dtype.ts'
import { type Limits, measureLimits } from '../../engine/wasm/index.ts'
import type { Model } from '../../model/load-model.ts'
import { interruptible } from '../interrupt.ts'
import {
  addModelOptions,
  type DraftLengthOption,
  draftLength,
  loadWithProgress,
  type ModelOptions,
  readPrompts,
  wholeNumber,
} from '../model-options.ts'
import { percent } from '../summary.ts'
import { formatTable } from '../table.ts'
import { aboutRun, figure, machine, passTable, print, runner, typesOf, withProgress } from './report.ts'

interface Options extends ModelOptions {
  readonly prompts?: string
  readonly limit: number
  readonly maxNewTokens: number
  readonly draftLengths: DraftLengthOption[]
  readonly promptTokens: number
  readonly json?: true
}

export function decodeCommand(): Command {
  return addModelOptions(new Command('decode'))
    .description('plain against self-speculative decoding, interleaved, and what a pass costs by its rows')
    .option('--prompts <file>', 'a text file, a prompt a line (default: the 16 openings of the embedded model)')
    .option('--limit <n>', 'prompts to use at most', wholeNumber(1), 16)
    .option('--max-new-tokens <n>', 'tokens to generate for each prompt', wholeNumber(1), 128)
    .option(
      '--draft-lengths <list>',
      'draft lengths to compare with plain decoding: numbers, or "threshold"',
      draftLengths,
      [3, 4, 'threshold'],
    )
    .option('--prompt-tokens <n>', 'tokens of the prompt with which prefill is measured', wholeNumber(1), 128)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench decode\n  $ drafthorse bench decode --limit 4 --draft-lengths 2,4,threshold --json',
    )
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

/** A parser for commander: each length once, and none of 0, which is plain decoding and always measured. */
function draftLengths(text: string): DraftLengthOption[] {
  const lengths = text.split(',').map(draftLength)
  if (lengths.includes(0))
    throw new InvalidArgumentError('Expected numbers from 1, or "threshold": 0 is plain decoding.')
  return [...new Set(lengths)]
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const file = options.prompts ?? new URL('../../../models/stories/openings.txt', import.meta.url)
  const prompts = await readPrompts(file, options.limit)
  await using model = await loadWithProgress(options, signal)
  const result = await withProgress('run', (progress) =>
    benchDecode(model, {
      prompts,
      maxNewTokens: options.maxNewTokens,
      draftLengths: model.skip ? options.draftLengths : [],
      rows: [1, 2, 4, 5, 8],
      promptTokens: options.promptTokens,
      signal,
      ...progress,
    }),
  )
  // Our own kernels can be compared with what the machine can do at most.
  const { name: backend, capabilities } = model.backend
  const limits = backend === 'wasm' ? await measureLimits(capabilities.threads) : undefined
  const report = {
    format: 'drafthorse/bench-decode@1',
    ...machine(),
    ...runner(model.backend),
    model: model.name,
    running: model.summary.running,
    ...result,
    ...(limits && { limits }),
  }
  print(options.json, report, () => describe(model, result, limits))
  if (result.rows.some(({ identical }) => identical < result.prompts)) process.exitCode = 1
}

function describe(model: Model, result: DecodeBench, limits: Limits | undefined): string {
  const about = [
    aboutRun(model),
    `weights as ${typesOf(model)}; ${model.backend.capabilities.threads} threads;`,
    `${result.prompts} prompts, ${result.maxNewTokens} new tokens each, greedy, end of sequence ignored, interleaved;`,
    'medians (quartiles)',
    ...(model.skip ? [] : ['no skip set was found for this model, so nothing is drafted']),
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
  const { prefill, gigabytesPerSecond, products } = result
  const share = (figure: number, most: number | undefined, of: string): string =>
    most === undefined ? '' : `, ${percent(figure / most)} of ${of}`
  const rest = [
    `Of a pass of one row, its products alone take ${figure(products.ms, 2)} ms, ${percent(products.ratio)}.`,
    `Plain decoding reads ${gigabytesPerSecond.toFixed(1)} GB of weights a second` +
      `${share(gigabytesPerSecond, limits?.streamed, 'what these threads read of memory at most')};`,
    `a prompt of ${prefill.tokens} tokens is read at ${figure(prefill.tokensPerSecond, 0)} tokens/s,`,
    `${prefill.productsPerSecond.toFixed(1)} thousand million products a second` +
      `${share(prefill.productsPerSecond, limits && mostProducts(model, limits), 'the most in their arithmetic')}.`,
  ]
  return `${about.join('\n')}\n\n${ways}\n\n${passTable(result.passCosts)}\n\n${rest.join('\n')}\n`
}

/** Weights in blocks are multiplied as whole numbers. */
function mostProducts({ summary }: Model, { f32, i16 }: Limits): number {
  const types = Object.keys(summary.running) as WeightDType[] // its keys, and no others
  return types.some(isBlockType) ? i16 : f32
}
