// `drafthorse bench payoff`: what passes cost here, and what follows for drafting.

import { Command, Option } from 'commander'
import { withCpuUse } from '../../bench/cpu-use.ts'
import { payoff } from '../../bench/payoff.ts'
import { fittingLlama, runningTypes, weightSpecs } from '../../bench/random-llama.ts'
import { shapes } from '../../bench/shapes.ts'
import { ArgumentError } from '../../engine/errors.ts'
import { openBackend } from '../../engine/open.ts'
import { createTurn } from '../../engine/turn.ts'
import type { Llama } from '../../model/llama.ts'
import { backendFrom } from '../backend-module.ts'
import { interruptible } from '../interrupt.ts'
import { addModelOptions, loadWithProgress, type ModelOptions, wholeNumber } from '../model-options.ts'
import { describePayoff, type Subject } from './payoff-text.ts'
import { machine, print, runner, withProgress } from './report.ts'

interface Options extends ModelOptions {
  readonly shape?: string
  readonly layers?: number
  readonly longest: number
  readonly context: number
  readonly repeats: number
  readonly json?: true
}

const examples = `
Examples:
  $ drafthorse bench payoff
  $ drafthorse bench payoff --model ./smollm2-135m.gguf --threads 1 --json
  $ drafthorse bench payoff --shape llama-3.2-3b --dtype q8_0
  $ drafthorse bench payoff --shape llama-2-7b --dtype q4_0 --layers 4 --repeats 5
  $ drafthorse bench payoff --shape smollm2-135m --backend tfjs:tensorflow

A shape has random weights. All layers of a small one run (1 GiB of weights at most), and of a larger one 6, or as many as
there is memory for: what the others cost is extrapolated by a straight line, and said to be.`

export function payoffCommand(): Command {
  return addModelOptions(new Command('payoff'))
    .description('what passes cost here by their rows, and which acceptance makes drafting pay')
    .addOption(
      new Option('--shape <name>', 'random weights of the shape of a larger model, in place of --model')
        .choices(Object.keys(shapes))
        .conflicts('model'),
    )
    .option('--layers <n>', 'layers of the shape to run, the others being extrapolated from these', wholeNumber(1))
    .option('--longest <n>', 'the longest draft to consider', wholeNumber(1), 8)
    .option('--context <n>', 'cached tokens before each pass', wholeNumber(0), 64)
    .option('--repeats <n>', 'passes of each kind', wholeNumber(1), 9)
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', examples)
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const { shape, dtype, threads, layers, context } = options
  const turn = createTurn(signal)
  const settings = {
    shares: [0.25, 0.5, 0.75],
    acceptances: [0.7, 0.8, 0.9, 0.95],
    longest: options.longest,
    context,
    repeats: options.repeats,
    turn,
  }
  const measure = async (subject: Subject, llama: Llama): Promise<void> => {
    const layers = shape === undefined ? undefined : shapes[shape]!.numHiddenLayers
    const { result, others } = await withProgress('pass', (progress) =>
      withCpuUse(() => payoff(llama, { ...settings, layers, ...progress })),
    )
    const { name: model, backend, running } = subject
    const about = { format: 'drafthorse/bench-payoff@1', ...machine(), ...runner(backend), model, running, others }
    print(options.json, { ...about, context, ...result }, () => describePayoff({ ...subject, others }, result))
  }

  if (shape === undefined) {
    if (layers !== undefined) throw new ArgumentError('--layers is of a --shape; a model runs whole')
    await using model = await loadWithProgress(options, signal)
    await measure({ name: model.name, backend: model.backend, running: model.summary.running }, model)
    return
  }
  const config = shapes[shape]!
  const backend = await openBackend(await backendFrom(options.backend), { threads })
  try {
    const llama = await withProgress('weight', (progress) =>
      fittingLlama(backend, config, { dtype, turn, layers, positions: context + options.longest + 1, ...progress }),
    )
    const running = runningTypes(weightSpecs(backend, llama.config, dtype))
    const name = `random weights of ${shape}'s shape`
    await measure({ name, backend, running }, llama)
  } finally {
    await backend.dispose()
  }
}
