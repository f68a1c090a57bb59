// A tokenizer.json as the vocabulary of a GGUF file: the counterpart of load/gguf-tokenizer.ts. llama.cpp knows fewer ways of
// making tokens than a tokenizer.json can describe; what it would do differently is refused.

import { ModelFormatError } from '../../engine/errors.ts'
import type { ChatSource } from '../chat.ts'
import type { LlamaConfig } from '../config.ts'
import { cuts } from '../load/gguf-tokenizer.ts'
import { asObject, isObject, type JsonObject, listOf, quote } from '../load/json.ts'
import { byteToken, kinds, mergesOf, type TokenizerFiles } from '../load/sentencepiece.ts'
import { flagValue, floatsValue, type GgufValue, textsValue, textValue, wholesValue, wholeValue } from './gguf.ts'
import { cutOf } from './gguf-cut.ts'

type Metadata = Map<string, GgufValue>

/** Metadata for a model without a tokenizer, which llama.cpp runs on ids alone. */
export function noTokenizer({ bosTokenId: bos, eosTokenIds }: LlamaConfig): Metadata {
  return new Map([['tokenizer.ggml.model', textValue('none')], ...idsMetadata({ bos, ends: eosTokenIds })])
}

/** The ids of tokens with a meaning of their own. The format has three names for what ends a text. */
function idsMetadata({
  ends,
  ...ids
}: {
  bos: number | undefined
  ends: readonly number[]
  unknown?: number | undefined
  padding?: number | undefined
}): Metadata {
  const [eos, eot, eom] = ends
  const named = Object.entries({ eos, eot, eom, ...ids })
  return new Map(
    named.flatMap(([key, id]) => (typeof id === 'number' ? [[`tokenizer.ggml.${key}_token_id`, wholeValue(id)]] : [])),
  )
}

/** Throws {@link ModelFormatError} for a tokenizer that llama.cpp does not have. `where` names it. */
export function tokenizerMetadata(
  { json, config: tokenizerConfig }: TokenizerFiles,
  { config, where }: { config: LlamaConfig; where: string },
): Metadata {
  const content = asObject(json, where)
  const model = asObject(content['model'], `"model" of ${where}`)
  if (model['type'] !== 'BPE') throw unknown(where, `its model is ${quote(model['type'])}; expected "BPE"`)
  const isSentencePiece = model['byte_fallback'] === true
  const vocabulary = vocabularyOf(content, model, { tokenizerConfig, size: config.vocabSize, where })
  const merges = mergesIn(model)
  const fields = isSentencePiece
    ? sentencePiece(content, { ...vocabulary, merges, where })
    : byteLevel(content, { model, merges, where })
  const { tokens, kindOf } = fields.vocabulary ?? vocabulary
  return new Map([
    ...fields.metadata,
    ['tokenizer.ggml.tokens', textsValue(tokens)],
    ['tokenizer.ggml.token_type', wholesValue(kindOf)],
    ...specialMetadata(content, { tokenizerConfig, config, tokens, where }),
  ])
}

/** The chat template; where there are several, the others by their names. */
export function templateMetadata({ templates }: ChatSource): Metadata {
  const key = 'tokenizer.chat_template'
  const named = Object.entries(templates)
  return new Map(named.map(([name, text]) => [name === 'default' ? key : `${key}.${name}`, textValue(text)]))
}

function unknown(where: string, what: string): ModelFormatError {
  return new ModelFormatError(`${where} cannot be written to GGUF, since llama.cpp would read texts otherwise: ${what}`)
}

interface Vocabulary {
  /** By id; ids of the model that have no token get a name that no text has. */
  readonly tokens: readonly string[]
  readonly kindOf: readonly number[]
}

function vocabularyOf(
  content: JsonObject,
  model: JsonObject,
  { tokenizerConfig, size, where }: { tokenizerConfig: unknown; size: number; where: string },
): Vocabulary {
  const tokens = Array.from({ length: size }, (_, id) => `[PAD${id}]`)
  const kindOf = new Array<number>(size).fill(kinds.unused)
  const put = (id: unknown, token: unknown, kind: number): void => {
    if (typeof id !== 'number' || typeof token !== 'string' || !(id < size)) {
      throw unknown(where, `token ${quote(token)} has the id ${quote(id)}, and the model has ${size}`)
    }
    tokens[id] = token
    kindOf[id] = kind
  }
  const bytes = new Set(Array.from({ length: 256 }, (_, byte) => byteToken(byte)))
  const isByte = (token: string): boolean => model['byte_fallback'] === true && bytes.has(token)
  const config = isObject(tokenizerConfig) ? tokenizerConfig : {}
  const unknownToken = model['unk_token'] ?? config['unk_token']
  for (const [token, id] of Object.entries(asObject(model['vocab'], `"vocab" of ${where}`))) {
    put(id, token, isByte(token) ? kinds.byte : token === unknownToken ? kinds.unknown : kinds.normal)
  }
  for (const added of listOf(content['added_tokens'])) {
    const { id, content: token, special } = asObject(added, `an added token of ${where}`)
    const isUnknown = typeof id === 'number' && kindOf[id] === kinds.unknown
    put(id, token, isUnknown ? kinds.unknown : special === true ? kinds.control : kinds.userDefined)
  }
  // llama2.c names its special tokens apart from the vocabulary, so that no text can hold them.
  for (const token of listOf(config['additional_special_tokens'])) {
    const id = typeof token === 'string' ? tokens.indexOf(token) : -1
    if (kindOf[id] === kinds.normal) kindOf[id] = id === 0 ? kinds.unknown : kinds.control
  }
  return { tokens, kindOf }
}

function mergesIn(model: JsonObject): readonly (readonly [string, string])[] {
  return listOf(model['merges']).map((merge) => {
    const [left, right] = typeof merge === 'string' ? merge.split(' ') : (merge as [string, string]) // checked when opened
    return [left!, right!] as const
  })
}

interface Fields {
  readonly metadata: readonly (readonly [key: string, value: GgufValue])[]
  /** The vocabulary, where llama.cpp spells it otherwise. */
  readonly vocabulary?: Vocabulary
}

function byteLevel(
  content: JsonObject,
  { model, merges, where }: { model: JsonObject; merges: readonly (readonly [string, string])[]; where: string },
): Fields {
  const pre = cutOf(content['pre_tokenizer'])
  const normalizer = typeOf(content['normalizer'])
  // Qwen's tokenizers compose characters (NFC); llama.cpp passes over that for them.
  if (pre === undefined || (normalizer !== undefined && !(normalizer === 'NFC' && pre === 'qwen2'))) {
    const how = JSON.stringify([content['normalizer'] ?? null, content['pre_tokenizer'] ?? null])
    throw unknown(where, `it cuts texts by ${quote(how)}; known are ${Object.keys(cuts).join(', ')}`)
  }
  if ((model['ignore_merges'] === true) !== (cuts[pre]!.llama3 === true)) {
    throw unknown(where, `"ignore_merges" is ${quote(model['ignore_merges'])}, unlike that of ${pre}`)
  }
  return {
    metadata: [
      ['tokenizer.ggml.model', textValue('gpt2')],
      ['tokenizer.ggml.pre', textValue(pre)],
      ['tokenizer.ggml.merges', textsValue(merges.map((merge) => merge.join(' ')))],
    ],
  }
}

const space = '\u2581'

/**
 * SentencePiece's BPE has no list of merges: a token's score says how soon it is made, of whatever two parts. Scores are
 * found that come to the same list.
 */
function sentencePiece(
  content: JsonObject,
  { tokens, kindOf, merges, where }: Vocabulary & { merges: readonly (readonly [string, string])[]; where: string },
): Fields {
  const { hasPrefix, isEscaped } = spacesOf(content, where)
  const spell = (token: string): string => (isEscaped ? token : token.replaceAll(' ', space))
  const scores = scoresOf(merges)
  const scored = tokens.flatMap((text, id) =>
    kindOf[id] === kinds.normal ? [{ text, score: scores.get(text) ?? Number.NEGATIVE_INFINITY }] : [],
  )
  const found = mergesOf(scored, new Set(tokens))
  if (found.length !== merges.length || found.some(([l, r], i) => l !== merges[i]![0] || r !== merges[i]![1])) {
    const at = found.findIndex(([l, r], i) => l !== merges[i]?.[0] || r !== merges[i]?.[1])
    throw unknown(where, `merge ${at < 0 ? found.length : at} is not one by scores, as SentencePiece has them`)
  }
  const lowest = -merges.length - 1
  return {
    vocabulary: { tokens: tokens.map(spell), kindOf },
    metadata: [
      ['tokenizer.ggml.model', textValue('llama')],
      ['tokenizer.ggml.pre', textValue('default')],
      ['tokenizer.ggml.scores', floatsValue(tokens.map((token) => scores.get(token) ?? lowest))],
      ['tokenizer.ggml.add_space_prefix', flagValue(hasPrefix)],
    ],
  }
}

/** A score for each token that merges make: equal for tokens whose merges stand among each other, lower for later ones. */
function scoresOf(merges: readonly (readonly [string, string])[]): ReadonlyMap<string, number> {
  const ranks = new Map<string, { first: number; last: number }>()
  for (const [rank, [left, right]] of merges.entries()) {
    const known = ranks.get(left + right)
    if (known) known.last = rank
    else ranks.set(left + right, { first: rank, last: rank })
  }
  const scores = new Map<string, number>()
  let [score, end] = [1, -1]
  for (const [token, { first, last }] of ranks) {
    if (first > end) score--
    end = Math.max(end, last)
    scores.set(token, score)
  }
  return scores
}

/** Whether texts get a space before them, and whether the vocabulary has spaces as SentencePiece's sign of them. */
function spacesOf(content: JsonObject, where: string): { hasPrefix: boolean; isEscaped: boolean } {
  const { normalizer, pre_tokenizer: cut } = content
  const steps =
    isObject(normalizer) && normalizer['type'] === 'Sequence' ? listOf(normalizer['normalizers']) : [normalizer]
  const words = steps.flatMap((step) => {
    if (!isObject(step)) return []
    const pattern = isObject(step['pattern']) ? step['pattern']['String'] : undefined
    return [`${step['type']} ${step['type'] === 'Prepend' ? step['prepend'] : `${pattern}>${step['content']}`}`]
  })
  const replaces = `Replace  >${space}`
  const scheme =
    isObject(cut) && cut['type'] === 'Metaspace' && cut['split'] === false ? cut['prepend_scheme'] : undefined
  if (scheme !== undefined && words.length === 0) return { hasPrefix: scheme !== 'never', isEscaped: true }
  switch (isObject(cut) ? 'cut' : words.join(', ')) {
    case `Prepend ${space}, ${replaces}`:
      return { hasPrefix: true, isEscaped: true }
    case replaces:
      return { hasPrefix: false, isEscaped: true }
    case 'Prepend  ':
      return { hasPrefix: true, isEscaped: false }
    default:
      throw unknown(where, `it prepares texts by ${quote(JSON.stringify([normalizer ?? null, cut ?? null]))}`)
  }
}

/** The ids of special tokens, and which of them texts begin and end with. */
function specialMetadata(
  content: JsonObject,
  options: { tokenizerConfig: unknown; config: LlamaConfig; tokens: readonly string[]; where: string },
): Metadata {
  const { tokenizerConfig, config, tokens, where } = options
  const { before, after } = aroundTexts(content, where)
  const named = (key: string): number | undefined => {
    const entry: unknown = isObject(tokenizerConfig) ? tokenizerConfig[key] : undefined
    const token = isObject(entry) ? entry['content'] : entry
    const id = typeof token === 'string' ? tokens.indexOf(token) : -1
    return id < 0 ? undefined : id
  }
  return new Map([
    ['tokenizer.ggml.add_bos_token', flagValue(before !== undefined)],
    ['tokenizer.ggml.add_eos_token', flagValue(after !== undefined)],
    ...idsMetadata({
      bos: before ?? config.bosTokenId,
      ends: [...new Set([...(after === undefined ? [] : [after]), ...config.eosTokenIds])],
      unknown: named('unk_token'),
      padding: named('pad_token'),
    }),
  ])
}

/** The tokens that a post-processor puts before and after a text: one at most. */
function aroundTexts(content: JsonObject, where: string): { before?: number; after?: number } {
  const processor = content['post_processor']
  const all = isObject(processor) && processor['type'] === 'Sequence' ? listOf(processor['processors']) : [processor]
  const templates = all.filter((each) => isObject(each) && each['type'] !== 'ByteLevel')
  const [template] = templates
  if (!isObject(template)) return {}
  if (templates.length > 1 || template['type'] !== 'TemplateProcessing') {
    throw unknown(where, `it adds tokens by ${quote(templates.map(typeOf))}; expected one "TemplateProcessing"`)
  }
  const special = asObject(template['special_tokens'], `"special_tokens" of ${where}`)
  const items = listOf(template['single']).map((item) => {
    const token: unknown = isObject(item) ? item['SpecialToken'] : undefined
    if (!isObject(token)) return undefined
    const entry = special[String(token['id'])]
    const ids = isObject(entry) ? listOf(entry['ids']) : []
    return typeof ids[0] === 'number' && ids.length === 1 ? ids[0] : Number.NaN
  })
  const text = items.indexOf(undefined)
  const [before, after] = [items.slice(0, text), items.slice(text + 1)]
  if (before.length > 1 || after.length > 1 || items.some(Number.isNaN)) {
    throw unknown(where, 'it adds more than a token before and a token after texts')
  }
  return {
    ...(before[0] !== undefined && { before: before[0] }),
    ...(after[0] !== undefined && { after: after[0] }),
  }
}

function typeOf(part: unknown): unknown {
  return isObject(part) ? part['type'] : undefined
}
