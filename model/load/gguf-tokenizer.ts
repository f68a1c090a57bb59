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
 * Reads the tokenizer of a GGUF file; `undefined` if there is none. Throws {@link ModelFormatError} for one that is damaged,
 * or of a kind that is not known. `name` is the file's.
 */
export async function ggufTokenizer(file: GgufFile, name: string): Promise<TokenizerFiles | undefined> {
  const model = file.metadata.get('tokenizer.ggml.model')
  if (model === undefined || model === 'none') return undefined
  const tokens = await texts(file, 'tokens', name)
  const vocabulary = { tokens, kinds: await kindsOf(file, tokens.length, name), name }
  if (model === 'gpt2') return byteLevel(file, vocabulary)
  if (model === 'llama') return sentencePiece(file, vocabulary)
  throw new ModelFormatError(
    `${name} has a tokenizer of kind ${quote(model)}; known are llama and gpt2: put the model's tokenizer.json beside it`,
  )
}

type Tokens = Pick<Vocabulary, 'tokens' | 'kinds' | 'name'>

/** How texts are cut before merging, by llama.cpp's names (`tokenizer.ggml.pre`) of what checkpoints' tokenizer.json say. */
export const cuts: Readonly<Record<string, { steps: readonly object[]; llama3?: true }>> = {
  'gpt-2': { steps: [byteLevelStep(true)] },
  smollm: { steps: [{ type: 'Digits', individual_digits: true }, byteLevelStep(true)] },
  'llama-bpe': { steps: [splitStep(cutPatterns.llama3), byteLevelStep(false)], llama3: true },
  qwen2: { steps: [splitStep(cutPatterns.qwen2), byteLevelStep(false)] },
}

function byteLevelStep(useRegex: boolean): object {
  return { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex }
}

function splitStep(regex: string): object {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }
}

async function byteLevel(file: GgufFile, vocabulary: Tokens): Promise<TokenizerFiles> {
  const { name } = vocabulary
  const pre = file.metadata.get('tokenizer.ggml.pre') ?? 'gpt-2'
  const cut = typeof pre === 'string' && Object.hasOwn(cuts, pre) ? cuts[pre] : undefined
  if (!cut) {
    throw new ModelFormatError(
      `${name} cuts texts in the way ${quote(pre)}; known are ${Object.keys(cuts).join(', ')}: put the model's tokenizer.json beside it`,
    )
  }
  const { steps, llama3 = false } = cut
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
