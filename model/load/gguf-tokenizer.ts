// The vocabulary in a GGUF file as a tokenizer.json: `llama` is SentencePiece's BPE with byte fallback, `gpt2` is BPE over
// bytes, whose way of cutting texts into words the file only names.

import { ModelFormatError } from '../../engine/errors.ts'
import { cutPatterns } from './cut-patterns.ts'
import type { GgufArray, GgufFile, GgufScalar } from './gguf.ts'
import { quote } from './json.ts'
import {
  bpeModel,
  idsOf,
  kinds,
  sentencePieceFiles,
  type TokenizerFiles,
  tokenizerFiles,
  type Vocabulary,
} from './sentencepiece.ts'

/**
 * Reads the tokenizer of a GGUF file; `undefined` if there is none, or one of a kind that is not known: `unknownTokenizer`
 * says so. Throws {@link ModelFormatError} for one that is damaged. `name` is the file's.
 */
export async function ggufTokenizer(file: GgufFile, name: string): Promise<TokenizerFiles | undefined> {
  const { model, cut } = kindOf(file)
  if (model === undefined || unknownTokenizer(file, name) !== undefined) return undefined
  const tokens = await texts(file, 'tokens', name)
  const vocabulary = { tokens, kinds: await kindsOf(file, tokens.length, name), name }
  return cut ? byteLevel(file, vocabulary, cut) : sentencePiece(file, vocabulary)
}

/** Why the tokenizer of a GGUF file is none that is known, and what to do; `undefined` for others, and where it has none. */
export function unknownTokenizer(file: GgufFile, name: string): string | undefined {
  const { model, pre, cut } = kindOf(file)
  const remedy = "put the model's tokenizer.json beside it, or pass token ids instead of text"
  if (model === undefined || model === 'llama' || cut) return undefined
  if (model !== 'gpt2') return `${name} has a tokenizer of kind ${quote(model)}; known are llama and gpt2: ${remedy}`
  const known = [...Object.keys(cuts), ...Object.keys(aliases)].join(', ')
  return `${name} cuts texts in the way ${quote(pre)} ("tokenizer.ggml.pre"); known are ${known}: ${remedy}`
}

/** Of which kind a tokenizer is; `cut` where it is over bytes, cut in a way that is known. */
function kindOf({ metadata }: GgufFile): { model: unknown; pre: unknown; cut: Cut | undefined } {
  const given = metadata.get('tokenizer.ggml.model')
  const model = given === 'none' ? undefined : given
  const pre = metadata.get('tokenizer.ggml.pre') ?? 'gpt-2'
  const cut = model === 'gpt2' && typeof pre === 'string' ? ownOf(cuts, ownOf(aliases, pre) ?? pre) : undefined
  return { model, pre, cut }
}

function ownOf<Value>(record: Readonly<Record<string, Value>>, key: string): Value | undefined {
  return Object.hasOwn(record, key) ? record[key] : undefined
}

type Tokens = Pick<Vocabulary, 'tokens' | 'kinds' | 'name'>

interface Cut {
  readonly steps: readonly object[]
  /** Begins texts with a token unless told otherwise, and takes a word that is a token whole. */
  readonly llama3?: boolean
}

/** How texts are cut before merging, by llama.cpp's names (`tokenizer.ggml.pre`) of what checkpoints' tokenizer.json say. */
export const cuts: Readonly<Record<string, Cut>> = {
  'gpt-2': { steps: [byteLevelStep(true)] },
  smollm: { steps: [{ type: 'Digits', individual_digits: true }, byteLevelStep(true)] },
  'llama-bpe': { steps: [splitStep(cutPatterns.llama3), byteLevelStep(false)], llama3: true },
  qwen2: { steps: [splitStep(cutPatterns.qwen2), byteLevelStep(false)] },
}

/** Other names that llama.cpp has for the same. */
const aliases: Readonly<Record<string, string>> = {
  llama3: 'llama-bpe',
  'llama-v3': 'llama-bpe',
  'deepseek-r1-qwen': 'qwen2',
}

function byteLevelStep(useRegex: boolean): object {
  return { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex }
}

function splitStep(regex: string): object {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }
}

async function byteLevel(file: GgufFile, vocabulary: Tokens, { steps, llama3 = false }: Cut): Promise<TokenizerFiles> {
  const { name } = vocabulary
  const whole = withEnds(file, vocabulary, { begins: llama3 })
  return tokenizerFiles(whole, {
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: steps },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bpeModel({ vocab: idsOf(whole), merges: await texts(file, 'merges', name), ignore_merges: llama3 }),
  })
}

async function sentencePiece(file: GgufFile, vocabulary: Tokens): Promise<TokenizerFiles> {
  const { tokens, name } = vocabulary
  const scores = await numbers(file, { key: 'scores', length: tokens.length, name })
  const hasPrefix = file.metadata.get('tokenizer.ggml.add_space_prefix') !== false
  return sentencePieceFiles(withEnds(file, vocabulary, { begins: true }), { scores, hasPrefix })
}

/** With what texts begin and end with; `begins` says whether they begin with a token where the file does not say. */
function withEnds({ metadata }: GgufFile, vocabulary: Tokens, { begins }: { begins: boolean }): Vocabulary {
  const around = (which: 'bos' | 'eos', absent: boolean): number | undefined => {
    if (!(metadata.get(`tokenizer.ggml.add_${which}_token`) ?? absent)) return undefined
    const id = metadata.get(`tokenizer.ggml.${which}_token_id`)
    if (typeof id === 'number' && vocabulary.tokens[id] !== undefined) return id
    throw new ModelFormatError(`${vocabulary.name} adds a ${which} token to texts, and has none: ${quote(id)}`)
  }
  return { ...vocabulary, begin: around('bos', begins), end: around('eos', false) }
}

async function kindsOf(file: GgufFile, length: number, name: string): Promise<readonly number[]> {
  if (!file.metadata.has('tokenizer.ggml.token_type')) return new Array<number>(length).fill(kinds.normal)
  return numbers(file, { key: 'token_type', length, name })
}

async function texts(file: GgufFile, key: string, name: string): Promise<readonly string[]> {
  const values = await arrayOf(file, key, name)
  const wrong = values.find((value) => typeof value !== 'string')
  if (wrong !== undefined)
    throw new ModelFormatError(`"tokenizer.ggml.${key}" of ${name} holds ${quote(wrong)}; expected texts`)
  return values as readonly string[] // each was looked at
}

async function numbers(
  file: GgufFile,
  { key, length, name }: { key: string; length: number; name: string },
): Promise<readonly number[]> {
  const values = await arrayOf(file, key, name)
  const wrong = values.find((value) => typeof value !== 'number')
  if (wrong === undefined && values.length === length) return values as readonly number[] // each was looked at
  throw new ModelFormatError(`"tokenizer.ggml.${key}" of ${name} does not hold a number for each of ${length} tokens`)
}

async function arrayOf({ metadata }: GgufFile, key: string, name: string): Promise<readonly GgufScalar[]> {
  const array = metadata.get(`tokenizer.ggml.${key}`)
  if (typeof array === 'object') return (array as GgufArray).read()
  throw new ModelFormatError(`${name} has no list "tokenizer.ggml.${key}", which its tokenizer needs`)
}
