// `drafthorse bench decode`: plain decoding, and what it takes of the machine.

import { Command } from 'commander'
import { benchDecode, type DecodeBench } from '../../bench/decode.ts'
import { isBlockType, type WeightDType } from '../../engine/dtype.ts'
import { type Limits, measureLimits } from '../../engine/wasm/index.ts'
import type { Model } from '../../model/load-model.ts'
import { interruptible } from '../interrupt.ts'
import { addModelOptions, loadWithProgress, type ModelOptions, readPrompts, wholeNumber } from '../model-options.ts'
import { percent } from '../summary.ts'
import { aboutRun, figure, machine, passTable, print, runner, typesOf, withProgress } from './report.ts'

interface Options extends ModelOptions {
  readonly prompts?: string
  readonly limit: number
  readonly maxNewTokens: number
  readonly promptTokens: number
  readonly json?: true
}

export function decodeCommand(): Command {
  return addModelOptions(new Command('decode'))
    .description(
      'plain decoding beside what the machine can do, and what a pass costs by its rows (drafts: bench speculate)',
    )
    .option('--prompts <file>', 'a text file, a prompt a line (default: the 16 openings of the embedded model)')
    .option('--limit <n>', 'prompts to use at most', wholeNumber(1), 16)
    .option('--max-new-tokens <n>', 'tokens to generate for each prompt', wholeNumber(1), 128)
    .option('--prompt-tokens <n>', 'tokens of the prompt with which prefill is measured', wholeNumber(1), 128)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench decode\n  $ drafthorse bench decode --limit 4 --threads 1 --json',
    )
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const file = options.prompts ?? new URL('../../../models/stories/openings.txt', import.meta.url)
  const prompts = await readPrompts(file, options.limit)
  await using model = await loadWithProgress(options, signal)
  const result = await withProgress('run', (progress) =>
    benchDecode(model, {
      prompts,
      maxNewTokens: options.maxNewTokens,
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
}

function describe(model: Model, result: DecodeBench, limits: Limits | undefined): string {
  const about = [
    aboutRun(model),
    `weights as ${typesOf(model)}; ${model.backend.capabilities.threads} threads;`,
    `${result.prompts} prompts, ${result.maxNewTokens} new tokens each, greedy, end of sequence ignored; medians (quartiles)`,
  ]
  const { prefill, gigabytesPerSecond, products } = result
  const share = (figure: number, most: number | undefined, of: string): string =>
    most === undefined ? '' : `, ${percent(figure / most)} of ${of}`
  const speed = `Plain decoding: ${figure(result.tokensPerSecond, 1)} tokens/s.`
  const rest = [
    `Of a pass of one row, its products alone take ${figure(products.ms, 2)} ms, ${percent(products.ratio)}.`,
    `Plain decoding reads ${gigabytesPerSecond.toFixed(1)} GB of weights a second` +
      `${share(gigabytesPerSecond, limits?.streamed, 'what these threads read of memory at most')};`,
    `a prompt of ${prefill.tokens} tokens is read at ${figure(prefill.tokensPerSecond, 0)} tokens/s,`,
    `${prefill.productsPerSecond.toFixed(1)} thousand million products a second` +
      `${share(prefill.productsPerSecond, limits && mostProducts(model, limits), 'the most in their arithmetic')}.`,
  ]
  return `${about.join('\n')}\n\n${speed}\n\n${passTable(result.passCosts)}\n\n${rest.join('\n')}\n`
}

/** Weights in blocks are multiplied as whole numbers. */
function mostProducts({ summary }: Model, { f32, i16 }: Limits): number {
  const types = Object.keys(summary.running) as WeightDType[] // its keys, and no others
  return types.some(isBlockType) ? i16 : f32
}
