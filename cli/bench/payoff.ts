// `drafthorse bench payoff`: what passes cost here, and what follows for drafting.

import { Command, Option } from 'commander'
import { type Payoff, payoff } from '../../bench/payoff.ts'
import { randomLlama, shapes } from '../../bench/shapes.ts'
import type { Backend } from '../../engine/backend.ts'
import { openBackend } from '../../engine/open.ts'
import { createTurn } from '../../engine/turn.ts'
import { backendFrom } from '../backend-module.ts'
import { interruptible } from '../interrupt.ts'
import { addModelOptions, loadWithProgress, type ModelOptions, wholeNumber } from '../model-options.ts'
import { percent } from '../summary.ts'
import { formatTable } from '../table.ts'
import { aboutRun, machine, passTable, print, runner } from './report.ts'

interface Options extends ModelOptions {
  readonly shape?: string
  readonly longest: number
  readonly context: number
  readonly repeats: number
  readonly json?: true
}

export function payoffCommand(): Command {
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
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
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
    print(options.json, report, () => describe(name, backend, result))
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

function describe(name: string, backend: Backend, { passes, rows }: Payoff): string {
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
    aboutRun({ name, backend }),
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
