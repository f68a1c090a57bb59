// `drafthorse bench peers`: plain decoding beside llama.cpp.

import { Command } from 'commander'
import { openLlamaCpp } from '../../bench/llama-cpp.ts'
import { benchPeers, idleEnough, type PeerRow } from '../../bench/peers.ts'
import { ArgumentError } from '../../engine/errors.ts'
import type { Model } from '../../model/load-model.ts'
import { interruptible } from '../interrupt.ts'
import {
  addModelOptions,
  loadWithProgress,
  type ModelOptions,
  numberList,
  readPrompts,
  wholeNumber,
} from '../model-options.ts'
import { percent } from '../summary.ts'
import { formatTable } from '../table.ts'
import { aboutRun, figure, machine, print, runner, typesOf, withProgress } from './report.ts'

interface Options extends Omit<ModelOptions, 'threads'> {
  readonly threads: number[]
  readonly prompts?: string
  readonly limit: number
  readonly maxNewTokens: number
  readonly json?: true
}

const prompts = [
  'The history of the steam engine begins',
  'In the morning, the harbour was full of',
  'A good way to learn a new language is',
  'Water boils at a lower temperature on a mountain because',
  'The most important rule of writing is',
]

export function peersCommand(): Command {
  return addModelOptions(new Command('peers'), { threads: false })
    .description('plain decoding of a GGUF file beside llama.cpp, interleaved (needs the package "node-llama-cpp")')
    .option('--threads <list>', 'numbers of threads, for both sides', numberList, [1, 2])
    .option('--prompts <file>', 'a text file, a prompt a line (default: five of ours)')
    .option('--limit <n>', 'prompts to use at most', wholeNumber(1), 16)
    .option('--max-new-tokens <n>', 'tokens to generate for each prompt', wholeNumber(2), 64)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench peers --model smollm2.gguf\n  $ drafthorse bench peers --model smollm2.gguf --dtype f32 --threads 2 --json',
    )
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  if (!/\.gguf$/i.test(options.model)) {
    throw new ArgumentError('llama.cpp reads GGUF: give the path of such a file as --model')
  }
  const { limit } = options
  const used = options.prompts === undefined ? prompts.slice(0, limit) : await readPrompts(options.prompts, limit)
  const llama = await openLlamaCpp(options.model, { contextSize: 256 + options.maxNewTokens })
  const models: Model[] = []
  try {
    for (const threads of options.threads) {
      const model = await loadWithProgress({ ...options, threads }, signal)
      const known = models.some(({ backend }) => backend.capabilities.threads === model.backend.capabilities.threads)
      if (known) await model.dispose()
      else models.push(model)
    }
    const rows = await withProgress('run', (progress) =>
      benchPeers(llama, {
        prompts: used,
        maxNewTokens: options.maxNewTokens,
        models,
        threads: options.threads,
        signal,
        ...progress,
      }),
    )
    const [{ name, backend, summary }] = models as [Model]
    const about = { ...machine(), ...runner(backend), model: name, running: summary.running, llamaCpp: llama.system }
    const report = { format: 'drafthorse/bench-peers@1', ...about, prompts: used.length, rows }
    print(options.json, report, () => describe(models[0]!, used.length, rows))
  } finally {
    for (const model of models) await model.dispose()
    await llama.dispose()
  }
}

function describe(model: Model, count: number, rows: readonly PeerRow[]): string {
  const table = formatTable(
    [
      { title: 'engine' },
      { title: 'threads', align: 'right' },
      { title: 'tokens/s', align: 'right' },
      { title: 'CPU ms a token', align: 'right' },
      { title: 'over llama.cpp', align: 'right' },
      { title: 'same tokens', align: 'right' },
      { title: 'other load', align: 'right' },
    ],
    rows.map((row) => [
      row.side,
      `${row.threads}`,
      row.disturbed ? 'refused' : figure(row.tokensPerSecond, 1),
      row.disturbed ? '' : figure(row.cpuPerToken, 1),
      row.ratio && !row.disturbed ? figure(row.ratio, 2) : '',
      row.agreement === undefined ? '' : percent(row.agreement),
      percent(row.others),
    ]),
  )
  return [
    aboutRun(model.name, model.backend),
    `${count} prompts; weights as ${typesOf(model)}; medians (quartiles);`,
    `rows during which others had more than ${percent(idleEnough)} of the machine are refused`,
    '',
    table,
    '',
  ].join('\n')
}
