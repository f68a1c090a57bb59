// `drafthorse generate`: continue a text.

import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { Command, InvalidArgumentError, Option } from 'commander'
import type { GenerationResult } from '../decode/events.ts'
import { generate } from '../decode/generate.ts'
import type { GenerateOptions } from '../decode/options.ts'
import { ArgumentError, NotFoundError } from '../engine/errors.ts'
import type { SpecialTokens } from '../model/codec.ts'
import { parseJson } from '../model/load/json.ts'
import type { Model } from '../model/load-model.ts'
import { ownPrior, saveSkip } from '../model/skip-cache.ts'
import { parseSkipEntry, type SkipEntry } from '../model/skip-file.ts'
import type { SkipOptions } from './idle-options.ts'
import { interruptedExit, interruptible } from './interrupt.ts'
import { addModelOptions, loadWithProgress, type ModelOptions, numberList, wholeNumber } from './model-options.ts'
import { printStats, printStream } from './print-stream.ts'
import { addSamplingOptions, readSampling, type SamplingOptions } from './sampling-options.ts'
import { describeSkip } from './summary.ts'
import { printable } from './terminal.ts'
import { openTrace, type Trace } from './trace.ts'

interface Options extends ModelOptions, SamplingOptions, SkipOptions {
  readonly promptIds?: number[]
  readonly maxNewTokens: number
  readonly stop?: string[]
  readonly ignoreEos?: true
  readonly specialTokens: SpecialTokens
  readonly stats?: true
  readonly trace?: string
  readonly json?: true
}

export function generateCommand(): Command {
  return addSamplingOptions(addModelOptions(new Command('generate')))
    .description('continue a text; a prompt of "-" is read from standard input')
    .argument('[prompt]', 'the text to continue')
    .option('--prompt-ids <ids>', 'the prompt as token ids, like 1,403,7', numberList)
    .option('--skip <file>', 'a skip file: {"NAME": {"attention": [...], "mlp": [...]}}')
    .option('--skip-attention <layers>', 'attention sublayers to skip, like 3,4 or 3-11', layerList)
    .option('--skip-mlp <layers>', 'MLP sublayers to skip', layerList)
    .option('--save-skip', 'keep what is skipped for this model, in the cache folder: later runs skip it unasked')
    .option('--max-new-tokens <n>', 'tokens to generate at most', wholeNumber(1), 200)
    .option('--stop <text>', 'end before this text (repeatable)', (text, before: string[] = []) => [...before, text])
    .option('--ignore-eos', 'go on after the end-of-sequence token')
    .addOption(
      new Option(
        '--special-tokens <how>',
        'what special tokens written in the prompt are: plain text, or tokens (parse)',
      )
        .choices(['plain', 'parse'])
        .default('plain'),
    )
    .option('--stats', 'all figures on standard error: what drafting brought, where the time went, a histogram')
    .option('--trace <file>', 'write what each round did to a file, as JSON lines; replaces a trace')
    .option('--json', 'one JSON object on standard output instead of text')
    .addHelpText(
      'after',
      `
Examples:
  $ drafthorse generate "Once upon a time"
  $ drafthorse generate "The cat" --skip-attention 4-11 --skip-mlp 4-11 --draft-length 3
  $ drafthorse generate "One day" --temperature 0.8 --top-p 0.95 --seed 7
  $ drafthorse generate "One day" --draft cascade --draft-length adaptive --stats
  $ drafthorse generate "One day" --exit-layer 4 --accept rejection --temperature 0.8 --trace rounds.jsonl
  $ echo "A tiny ant" | drafthorse generate - --draft none --json`,
    )
    .action(async (prompt: string | undefined, options: Options) => {
      process.exitCode = await interruptible((signal) => run(prompt, options, signal))
    })
}

async function run(prompt: string | undefined, options: Options, signal: AbortSignal): Promise<number> {
  const input = await readPrompt(prompt, options)
  await using trace = options.trace === undefined ? undefined : await openTrace(options.trace)
  await using model = await loadWithProgress(options, signal)
  const { specialTokens } = options
  const ids = typeof input === 'string' ? model.tokenizer.encode(input, { specialTokens }) : input
  const given = await readSkip(model, options)
  if (options.saveSkip) await keepSkip(model, given)
  const settings: GenerateOptions = {
    ...(await readSampling(options, model)),
    maxNewTokens: options.maxNewTokens,
    skip: given?.skip,
    skipPrior: given?.prior,
    stop: options.stop,
    ignoreEos: options.ignoreEos,
  }
  trace?.begin(aboutTrace(model, settings, ids.length))
  const stream = generate(model, ids, { ...settings, signal, onRound: trace?.round })
  const before = typeof input === 'string' ? input : ''
  const show = { hasText: model.hasTokenizer, before, stats: options.stats === true }
  const result = await traced(trace, () => (options.json ? stream.result : printStream(stream, show)))
  if (options.json) {
    const { backend, name, summary } = model
    const report = {
      format: 'drafthorse/generation@1',
      model: name,
      backend: backend.name,
      running: summary.running,
      prompt: input,
      ...result,
    }
    process.stdout.write(`${JSON.stringify(report)}\n`)
    if (options.stats) printStats(result)
  }
  return result.finishReason === 'aborted' ? interruptedExit : 0
}

/** What the first line of a trace says; of a text that words are counted in, how long it is. */
function aboutTrace({ name, backend, summary }: Model, settings: GenerateOptions, promptTokens: number): object {
  const { draftVocabulary: head, ...options } = settings
  const draftVocabulary = typeof head === 'object' ? { size: head.size, textLength: head.text?.length } : head
  const { threads } = backend.capabilities
  const running = { backend: backend.name, threads, running: summary.running }
  return { model: name, ...running, promptTokens, options: { ...options, draftVocabulary } }
}

/** Has the trace end as the generation does. */
async function traced(trace: Trace | undefined, run: () => Promise<GenerationResult>): Promise<GenerationResult> {
  let result: GenerationResult
  try {
    result = await run()
  } catch (error) {
    trace?.end({ error })
    throw error
  }
  const { finishReason, stats } = result
  trace?.end({ finishReason, stats })
  return result
}

async function readPrompt(prompt: string | undefined, { promptIds }: Options): Promise<string | number[]> {
  if (promptIds) {
    if (prompt !== undefined) throw new ArgumentError('give a prompt as text or as --prompt-ids, not both')
    return promptIds
  }
  if (prompt === undefined && process.stdin.isTTY) {
    throw new ArgumentError('there is no prompt; try: drafthorse generate "Once upon a time"')
  }
  const text = prompt === undefined || prompt === '-' ? (await readAll(process.stdin)).replace(/\r?\n$/, '') : prompt
  if (text === '') throw new ArgumentError('the prompt is empty; give at least one character')
  return text
}

async function readSkip(model: Model, options: Options): Promise<SkipEntry | undefined> {
  const { skip: file, skipAttention, skipMlp, exitLayer } = options
  if (exitLayer !== undefined && (file || skipAttention || skipMlp)) {
    throw new ArgumentError('give what drafts skip as a skip set or as --exit-layer, not both')
  }
  if (skipAttention || skipMlp) {
    if (file) throw new ArgumentError('give the skip set as --skip FILE or by its layers, not both')
    return { skip: { attention: skipAttention ?? [], mlp: skipMlp ?? [] } }
  }
  if (!file) return undefined
  let content: Uint8Array
  try {
    content = await readFile(file)
  } catch (cause) {
    throw new NotFoundError(`the skip file ${file} cannot be read`, { cause })
  }
  const entry = parseSkipEntry(parseJson(content, file), { where: file, modelName: model.name })
  if (entry.id === undefined || model.id === undefined || entry.id === model.id) return entry
  const [there, here] = [entry.id, model.id].map((id) => printable(id.slice(0, 12)))
  process.stderr.write(
    `warning: the skip set of ${file} was found for another model, or for this one in another type or format: its id is ${there}, and ${model.name} has ${here}. Its layers are skipped all the same; what it says of costs is left out\n`,
  )
  return { skip: entry.skip }
}

/** With the costs that the file has, or that are kept for the same set. */
async function keepSkip(model: Model, given: SkipEntry | undefined): Promise<void> {
  if (!given) throw new ArgumentError('--save-skip keeps what --skip, --skip-attention and --skip-mlp name; give one')
  const { skip, prior = ownPrior(model, skip) } = given
  const file = await saveSkip(model, skip, { ...prior })
  process.stderr.write(`kept for ${model.name} in ${file}: ${describeSkip(skip)}\n`)
}

/** `3,4`, `3-11`, or both mixed. */
function layerList(text: string): number[] {
  if (text.trim() === '') return []
  return text.split(',').flatMap((part) => {
    const range = /^\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*$/.exec(part)
    if (!range) throw new InvalidArgumentError('Expected layers, like 3,4 or 3-11.')
    const from = Number(range[1])
    const to = Number(range[2] ?? range[1])
    if (to < from) throw new InvalidArgumentError(`The range ${part.trim()} is empty.`)
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}
