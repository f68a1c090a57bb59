// `drafthorse bench peers`: plain decoding beside llama.cpp, in Node or in a browser.

import { Command, Option } from 'commander'
import { idleEnough } from '../../bench/cpu-use.ts'
import { openLlamaCpp } from '../../bench/llama-cpp.ts'
import { type BestRatio, benchPeers, besideLlamaCpp, type PeerReport, type PeerSides } from '../../bench/peers.ts'
import { openWllama } from '../../bench/wllama.ts'
import type { OpenedModel } from '../../bench/wllama-page.ts'
import { ArgumentError } from '../../engine/errors.ts'
import { defaultBackend } from '../../engine/open.ts'
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

type PeerName = 'llama.cpp' | 'wllama'

interface Options extends Omit<ModelOptions, 'threads'> {
  readonly peer: PeerName
  readonly threads: number[]
  readonly prompts?: string
  readonly limit: number
  readonly maxNewTokens: number
  readonly json?: true
}

/** What a comparison is made on, open. */
interface Comparison extends PeerSides {
  readonly model: OpenedModel
  /** What runs both sides. */
  readonly runtime: string
  /** What the peer was built from, in its own words. */
  readonly llamaCpp: string
  dispose(): Promise<void>
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
    .description('plain decoding of a GGUF file beside llama.cpp, interleaved (each peer needs a package)')
    .addOption(
      new Option('--peer <name>', 'llama.cpp in Node, or wllama, which is llama.cpp in a browser')
        .choices(['llama.cpp', 'wllama'])
        .default('llama.cpp'),
    )
    .option('--threads <list>', 'numbers of threads, for both sides', numberList, [1, 2])
    .option('--prompts <file>', 'a text file, a prompt a line (default: five of ours)')
    .option('--limit <n>', 'prompts to use at most', wholeNumber(1), 16)
    .option('--max-new-tokens <n>', 'tokens to generate for each prompt', wholeNumber(2), 64)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      '\nExamples:\n  $ drafthorse bench peers --model smollm2.gguf\n  $ drafthorse bench peers --model smollm2.gguf --dtype f32 --threads 2 --json\n  $ drafthorse bench peers --model smollm2.gguf --peer wllama',
    )
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

async function run(options: Options, signal: AbortSignal): Promise<void> {
  const { peer, limit, maxNewTokens, json } = options
  if (!/\.gguf$/i.test(options.model)) {
    throw new ArgumentError(`${peer} reads GGUF: give the path of such a file as --model`)
  }
  const used = options.prompts === undefined ? prompts.slice(0, limit) : await readPrompts(options.prompts, limit)
  const open = peer === 'wllama' ? inBrowser : inNode
  const sides = await open(options, signal)
  try {
    const { rows, best } = await withProgress('run', (progress) =>
      benchPeers(sides, { prompts: used, maxNewTokens, signal, ...progress }),
    )
    const { model, runtime, llamaCpp } = sides
    const { name, backend, summary } = model
    const about = { ...machine(), ...runner(backend), model: name, running: summary.running, peer, runtime, llamaCpp }
    const report = { format: 'drafthorse/bench-peers@1', ...about, prompts: used.length, rows, best }
    print(json, report, () => describe({ model, runtime, peer, prompts: used.length, rows, best }))
  } finally {
    await sides.dispose()
  }
}

async function inNode(options: Options, signal: AbortSignal): Promise<Comparison> {
  const llama = await openLlamaCpp(options.model, { contextSize: contextSize(options) })
  const models: Model[] = []
  async function dispose(): Promise<void> {
    for (const model of models) await model.dispose()
    await llama.dispose()
  }
  try {
    for (const threads of options.threads) {
      const model = await loadWithProgress({ ...options, threads }, signal)
      const known = models.some(({ backend }) => backend.capabilities.threads === model.backend.capabilities.threads)
      if (known) await model.dispose()
      else models.push(model)
    }
    const sides = besideLlamaCpp(llama, { models, threads: options.threads })
    return { ...sides, model: models[0]!, runtime: `Node ${process.version}`, llamaCpp: llama.system, dispose }
  } catch (error) {
    await dispose()
    throw error
  }
}

async function inBrowser(options: Options, signal: AbortSignal): Promise<Comparison> {
  const { model, backend, threads, dtype } = options
  if (backend !== defaultBackend) {
    throw new ArgumentError(`beside wllama the backend is ${defaultBackend}, not ${backend}: leave --backend out`)
  }
  const opened = await withProgress('open', (progress) =>
    openWllama(model, { threads, dtype, contextSize: contextSize(options), signal, ...progress }),
  )
  return { ...opened, runtime: opened.browser, llamaCpp: opened.system }
}

/** Tokens that the peer has room for: a prompt, and the text. */
function contextSize({ maxNewTokens }: Options): number {
  return 1024 + maxNewTokens
}

interface Described extends PeerReport {
  readonly model: OpenedModel
  readonly runtime: string
  readonly peer: PeerName
  readonly prompts: number
}

function describe({ model, runtime, peer, prompts, rows, best }: Described): string {
  const table = formatTable(
    [
      { title: 'engine' },
      { title: 'threads', align: 'right' },
      { title: 'tokens/s', align: 'right' },
      { title: 'first token, ms', align: 'right' },
      { title: 'CPU ms a token', align: 'right' },
      { title: `over ${peer}`, align: 'right' },
      { title: 'same tokens', align: 'right' },
      { title: 'other load', align: 'right' },
    ],
    rows.map((row) => [
      row.side,
      `${row.threads}`,
      row.disturbed ? 'refused' : figure(row.tokensPerSecond, 1),
      row.disturbed ? '' : figure(row.firstTokenMs, 0),
      row.disturbed ? '' : figure(row.cpuPerToken, 1),
      row.ratio ? figure(row.ratio, 2) : '',
      row.agreement === undefined ? '' : percent(row.agreement),
      percent(row.others),
    ]),
  )
  return [
    aboutRun(model, runtime),
    `${prompts} prompts; weights as ${typesOf(model)}; medians (quartiles);`,
    `rows during which others had more than ${percent(idleEnough)} of the machine are refused`,
    '',
    table,
    ...(best ? ['', describeBest(best, peer)] : []),
    '',
  ].join('\n')
}

function describeBest({ ours, theirs, ratio }: BestRatio, peer: PeerName): string {
  return `best beside best: ${figure(ratio, 2)} times ${peer} (threads: ${ours} beside ${theirs})`
}
