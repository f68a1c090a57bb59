// `drafthorse bench sampling`: what it takes to draw a token, beside what a pass takes.

import { Command } from 'commander'
import { benchSampling, type SamplingBench } from '../../bench/sampling.ts'
import { type PassCost, passCosts } from '../../decode/pass-cost.ts'
import { defaultBackend } from '../../engine/open.ts'
import { createTurn } from '../../engine/turn.ts'
import type { Model } from '../../model/load-model.ts'
import { interruptible } from '../interrupt.ts'
import { loadWithProgress, wholeNumber } from '../model-options.ts'
import { percent } from '../summary.ts'
import { formatTable } from '../table.ts'
import { aboutRun, figure, machine, print, runner, withProgress } from './report.ts'

interface Options {
  readonly vocabulary: number
  readonly rows: number
  readonly model?: string
  readonly backend: string
  readonly threads?: number
  readonly json?: true
}

/** Cached tokens before the passes that are timed. */
const context = 64

export function samplingCommand(): Command {
  return new Command('sampling')
    .description('drawing a token from a row of logits, by option, on rows shaped like a language model’s')
    .option('--vocabulary <n>', 'logits in a row', wholeNumber(1), 49_152)
    .option('--rows <n>', 'rows to draw from with each option', wholeNumber(1), 200)
    .option('--model <name>', 'beside a plain pass of this model: a name, a path or OWNER/NAME (default: none)')
    .option('--backend <name>', 'what runs the model: a name, or a module of your own (./mine.ts)', defaultBackend)
    .option('--threads <n>', 'threads, where the backend has a choice', wholeNumber(1))
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench sampling\n  $ drafthorse bench sampling --model stories --vocabulary 4096 --json',
    )
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const { vocabulary: vocabSize, rows, model: name, backend, threads } = options
  const turn = createTurn(signal)
  await using model =
    name === undefined
      ? undefined
      : await loadWithProgress({ model: name, backend, ...(threads !== undefined && { threads }) }, signal)
  const ways = await withProgress('row', (progress) => benchSampling({ vocabSize, rows, turn, ...progress }))
  const pass = model && (await passCosts(model, { passes: [{ rows: 1 }], context, repeats: 30, turn }))[0]
  const report = {
    format: 'drafthorse/bench-sampling@1',
    ...machine(),
    vocabSize,
    ways: ways.map((way) => ({ ...way, ...(pass && { ofPass: way.ms.median / pass.ms.median }) })),
    ...(model && { ...runner(model.backend), model: model.name, passMs: pass?.ms }),
  }
  print(options.json, report, () => describe(ways, { vocabSize, model, pass }))
}

function describe(
  ways: readonly SamplingBench[],
  { vocabSize, model, pass }: { vocabSize: number; model: Model | undefined; pass: PassCost | undefined },
): string {
  const { cpu, cores, node } = machine()
  const about = model ? aboutRun(model) : `${cpu}, ${cores} cores, Node ${node}`
  const beside = pass ? `; a plain pass takes ${figure(pass.ms, 2)} ms` : ''
  const table = formatTable(
    [
      { title: 'sampling' },
      { title: 'ms a row', align: 'right' },
      ...(pass ? [{ title: 'of a pass', align: 'right' as const }] : []),
    ],
    ways.map(({ name, ms }) => [name, figure(ms, 3), ...(pass ? [percent(ms.median / pass.ms.median)] : [])]),
  )
  return `${about}; ${vocabSize} logits in a row, medians (quartiles)${beside}\n\n${table}\n`
}
