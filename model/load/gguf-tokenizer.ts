// The vocabulary in a GGUF file as a tokenizer.json: `llama` is SentencePiece's BPE with byte fallback, `gpt2` is BPE over
// bytes, whose way of cutting texts into words the file only names.

import { ModelFormatError } from '../../engine/errors.ts'
import type { GgufArray, GgufFile, GgufScalar } from './gguf.ts'
import { quote } from './json.ts'
import { bpeModel, byteToken, mergesOf, type TokenizerFiles } from './sentencepiece.ts'

/** Kinds of tokens, as llama.cpp numbers them. */
export const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

interface Vocabulary {
  readonly tokens: readonly string[]
  readonly kinds: readonly number[]
  readonly file: GgufFile
  readonly name: string
}

/**
 * Reads the tokenizer of a GGUF file; `undefined` if there is none. Throws {@link ModelFormatError} for one that is damaged,
 * or of a kind that is not known. `name` is the file's.
 */
export async function ggufTokenizer(file: GgufFile, name: string): Promise<TokenizerFiles | undefined> {
  const model = file.metadata.get('tokenizer.ggml.model')
  if (model === undefined || model === 'none') return undefined
  const tokens = await texts(file, 'tokens', name)
  const vocabulary = { tokens, kinds: await kindsOf(file, tokens.length, name), file, name }
  if (model === 'gpt2') return byteLevel(vocabulary)
  if (model === 'llama') return sentencePiece(vocabulary)
  throw new ModelFormatError(
    `${name} has a tokenizer of kind ${quote(model)}; known are llama and gpt2: put the model's tokenizer.json beside it`,
  )
}

/** Contractions in any case, spelled out: not every JavaScript has `(?i:)`. */
const contractions = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
const words = `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+`
const rest = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

/** How texts are cut before merging, by llama.cpp's names (`tokenizer.ggml.pre`) of what checkpoints' tokenizer.json say. */
export const cuts: Readonly<Record<string, { steps: readonly object[]; llama3?: true }>> = {
  'gpt-2': { steps: [byteLevelStep(true)] },
  smollm: { steps: [{ type: 'Digits', individual_digits: true }, byteLevelStep(true)] },
  'llama-bpe': { steps: [splitStep(`${words}|\\p{N}{1,3}|${rest}`), byteLevelStep(false)], llama3: true },
  qwen2: { steps: [splitStep(`${words}|\\p{N}|${rest}`), byteLevelStep(false)] },
}

function byteLevelStep(useRegex: boolean): object {
  return { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: useRegex }
}

function splitStep(regex: string): object {
  return { type: 'Split', pattern: { Regex: regex }, behavior: 'Isolated', invert: false }
}

async function byteLevel(vocabulary: Vocabulary): Promise<TokenizerFiles> {
  const { file, name } = vocabulary
  const pre = file.metadata.get('tokenizer.ggml.pre') ?? 'gpt-2'
  const cut = typeof pre === 'string' && Object.hasOwn(cuts, pre) ? cuts[pre] : undefined
  if (!cut) {
    throw new ModelFormatError(
      `${name} cuts texts in the way ${quote(pre)}; known are ${Object.keys(cuts).join(', ')}: put the model's tokenizer.json beside it`,
    )
  }
  const { steps, llama3 = false } = cut
  return files(vocabulary, {
    begins: llama3,
    normalizer: null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: steps },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: bpeModel({ vocab: idsOf(vocabulary), merges: await texts(file, 'merges', name), ignore_merges: llama3 }),
  })
}

async function sentencePiece(vocabulary: Vocabulary): Promise<TokenizerFiles> {
  const { tokens, file, name } = vocabulary
  const vocab = idsOf(vocabulary)
  for (let byte = 0; byte < 256; byte++) {
    if (!vocab.has(byteToken(byte))) throw new ModelFormatError(`the tokenizer of ${name} has no ${byteToken(byte)}`)
  }
  const scores = await numbers(file, { key: 'scores', length: tokens.length, name })
  const merged = tokens.flatMap((text, id) =>
    vocabulary.kinds[id] === kinds.normal ? [{ text, score: scores[id]! }] : [],
  )
  const hasPrefix = file.metadata.get('tokenizer.ggml.add_space_prefix') !== false
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' }
  const back = { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' }
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 }
  return files(vocabulary, {
    begins: true,
    normalizer: {
      type: 'Sequence',
      normalizers: [...(hasPrefix ? [{ type: 'Prepend', prepend: '\u2581' }] : []), spaces],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [back, { type: 'ByteFallback' }, { type: 'Fuse' }, ...(hasPrefix ? [strip] : [])],
    },
    model: bpeModel({ vocab, merges: mergesOf(merged, vocab), byte_fallback: true }),
  })
}

/** With the special tokens, and those that texts begin and end with. */
function files(
  { tokens, kinds: kindOf, file, name }: Vocabulary,
  { begins, ...parts }: { begins: boolean; [part: string]: unknown },
): TokenizerFiles {
  const { metadata } = file
  const added = tokens.flatMap((content, id) => {
    const kind = kindOf[id]
    if (kind !== kinds.control && kind !== kinds.userDefined) return []
    const special = kind === kinds.control
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
  })
  const around = (which: 'bos' | 'eos', absent: boolean): object[] => {
    if (!(metadata.get(`tokenizer.ggml.add_${which}_token`) ?? absent)) return []
    const id = metadata.get(`tokenizer.ggml.${which}_token_id`)
    const token = typeof id === 'number' ? tokens[id] : undefined
    if (token === undefined)
      throw new ModelFormatError(`${name} adds a ${which} token to texts, and has none: ${quote(id)}`)
    return [{ SpecialToken: { id: token, type_id: 0 } }]
  }
  const [before, after] = [around('bos', begins), around('eos', false)]
  const names = [...before, ...after].map((item) => (item as { SpecialToken: { id: string } }).SpecialToken.id) // made above
  const single = [...before, { Sequence: { id: 'A', type_id: 0 } }, ...after]
  const pair = [...single, ...before, { Sequence: { id: 'B', type_id: 0 } }, ...after]
  const special = names.map((token) => [token, { id: token, ids: [tokens.indexOf(token)], tokens: [token] }])
  return {
    json: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added,
      ...parts,
      post_processor: { type: 'TemplateProcessing', single, pair, special_tokens: Object.fromEntries(special) },
    },
    config: { clean_up_tokenization_spaces: false },
  }
}

function idsOf({ tokens, name }: Vocabulary): ReadonlyMap<string, number> {
  const vocab = new Map<string, number>()
  for (const [id, token] of tokens.entries()) if (!vocab.has(token)) vocab.set(token, id)
  if (vocab.size === 0) throw new ModelFormatError(`the tokenizer of ${name} has no tokens`)
  return vocab
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
