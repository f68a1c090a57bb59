// `drafthorse generate`: continue a text.

import { readFile } from 'node:fs/promises'
import { text as readAll } from 'node:stream/consumers'
import { Command, InvalidArgumentError, Option } from 'commander'
import { generate } from '../decode/generate.ts'
import type { GenerateOptions } from '../decode/options.ts'
import { ArgumentError, ModelFormatError, NotFoundError } from '../engine/errors.ts'
import type { SpecialTokens } from '../model/codec.ts'
import type { Model } from '../model/load-model.ts'
import type { SkipSet } from '../model/skip.ts'
import { saveSkip } from '../model/skip-cache.ts'
import { parseSkipFile } from '../model/skip-file.ts'
import { interruptedExit, interruptible } from './interrupt.ts'
import {
  addModelOptions,
  type DraftLengthOption,
  decimal,
  draftLength,
  loadWithProgress,
  type ModelOptions,
  numberList,
  wholeNumber,
} from './model-options.ts'
import { printStream } from './print-stream.ts'
import { describeSkip } from './summary.ts'

interface Options extends ModelOptions {
  readonly promptIds?: number[]
  readonly draft?: 'skip' | 'none'
  readonly skip?: string
  readonly skipAttention?: number[]
  readonly skipMlp?: number[]
  readonly saveSkip?: true
  readonly draftLength: DraftLengthOption
  readonly maxNewTokens: number
  readonly stop?: string[]
  readonly ignoreEos?: true
  readonly temperature: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  readonly seed?: number
  readonly specialTokens: SpecialTokens
  readonly json?: true
}

export function generateCommand(): Command {
  return addModelOptions(new Command('generate'))
    .description('continue a text; a prompt of "-" is read from standard input')
    .argument('[prompt]', 'the text to continue')
    .option('--prompt-ids <ids>', 'the prompt as token ids, like 1,403,7', numberList)
    .addOption(
      new Option('--draft <kind>', 'how to draft (default: skip where there is a skip set)').choices(['skip', 'none']),
    )
    .option('--skip <file>', 'a skip file: {"NAME": {"attention": [...], "mlp": [...]}}')
    .option('--skip-attention <layers>', 'attention sublayers to skip, like 3,4 or 3-11', layerList)
    .option('--skip-mlp <layers>', 'MLP sublayers to skip', layerList)
    .option('--save-skip', 'keep what is skipped for this model, in the cache folder: later runs skip it unasked')
    .option(
      '--draft-length <n>',
      'tokens to draft in a round, or "threshold": as long as the draft is sure of itself',
      draftLength,
      'threshold',
    )
    .option('--max-new-tokens <n>', 'tokens to generate at most', wholeNumber(1), 200)
    .option('--stop <text>', 'end before this text (repeatable)', (text, before: string[] = []) => [...before, text])
    .option('--ignore-eos', 'go on after the end-of-sequence token')
    .option('--temperature <t>', '0 takes the most likely token, 1 samples as the model says', decimal, 0)
    .option('--top-k <n>', 'sample among the n most likely tokens', wholeNumber(0))
    .option('--top-p <p>', 'sample among the fewest tokens that have this probability together', decimal)
    .option('--min-p <p>', 'sample among tokens at least this many times as likely as the likeliest', decimal)
    .option('--repetition-penalty <x>', 'above 1, tokens that the text has already are less likely', decimal)
    .option('--seed <n>', 'the same seed gives the same text, drafting or not (default: any)', wholeNumber(0))
    .addOption(
      new Option(
        '--special-tokens <how>',
        'what special tokens written in the prompt are: plain text, or tokens (parse)',
      )
        .choices(['plain', 'parse'])
        .default('plain'),
    )
    .option('--json', 'one JSON object on standard output instead of text')
    .addHelpText(
      'after',
      `
Examples:
  $ drafthorse generate "Once upon a time"
  $ drafthorse generate "The cat" --skip-attention 4-11 --skip-mlp 4-11 --draft-length 3
  $ drafthorse generate "One day" --temperature 0.8 --top-p 0.95 --seed 7
  $ echo "A tiny ant" | drafthorse generate - --draft none --json`,
    )
    .action(async (prompt: string | undefined, options: Options) => {
      process.exitCode = await interruptible((signal) => run(prompt, options, signal))
    })
}

async function run(prompt: string | undefined, options: Options, signal: AbortSignal): Promise<number> {
  const input = await readPrompt(prompt, options)
  await using model = await loadWithProgress(options, signal)
  const { specialTokens } = options
  const ids = typeof input === 'string' ? model.tokenizer.encode(input, { specialTokens }) : input
  const skip = await readSkip(model, options)
  if (options.saveSkip) await keepSkip(model, skip)
  const settings: GenerateOptions = {
    maxNewTokens: options.maxNewTokens,
    draftLength: options.draftLength,
    draft: options.draft,
    skip,
    stop: options.stop,
    ignoreEos: options.ignoreEos,
    temperature: options.temperature,
    topK: options.topK,
    topP: options.topP,
    minP: options.minP,
    repetitionPenalty: options.repetitionPenalty,
    seed: options.seed,
    signal,
  }
  const stream = generate(model, ids, settings)
  const before = typeof input === 'string' ? input : ''
  const result = options.json ? await stream.result : await printStream(stream, { hasText: model.hasTokenizer, before })
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
  }
  return result.finishReason === 'aborted' ? interruptedExit : 0
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

async function readSkip(model: Model, options: Options): Promise<SkipSet | undefined> {
  const { skip: file, skipAttention, skipMlp } = options
  if (skipAttention || skipMlp) {
    if (file) throw new ArgumentError('give the skip set as --skip FILE or by its layers, not both')
    return { attention: skipAttention ?? [], mlp: skipMlp ?? [] }
  }
  if (!file) return undefined
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (cause) {
    throw new NotFoundError(`the skip file ${file} cannot be read`, { cause })
  }
  return parseSkipFile(parseJson(content, file), { where: file, modelName: model.name })
}

async function keepSkip(model: Model, skip: SkipSet | undefined): Promise<void> {
  if (!skip) throw new ArgumentError('--save-skip keeps what --skip, --skip-attention and --skip-mlp name; give one')
  process.stderr.write(`kept for ${model.name} in ${await saveSkip(model, skip)}: ${describeSkip(skip)}\n`)
}

function parseJson(content: string, file: string): unknown {
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new ModelFormatError(`${file} is not JSON: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
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
