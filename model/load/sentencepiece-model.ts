// SentencePiece's own file, tokenizer.model: a protobuf message, of which the few fields that say how texts are encoded are
// read (sentencepiece_model.proto). BPE with byte fallback is what Llama models have.

import { ModelFormatError } from '../../engine/errors.ts'
import { isObject, quote } from './json.ts'
import { kinds, sentencePieceFiles, type TokenizerFiles, type Vocabulary } from './sentencepiece.ts'

/** Bytes. The largest vocabulary in use takes 5 MB. */
export const largestTokenizerModel = 50_000_000

/** What stands beside a tokenizer.model and speaks of it: the contents of tokenizer_config.json and added_tokens.json. */
export interface Beside {
  readonly config: unknown
  readonly added: unknown
}

/**
 * The content of a tokenizer.model as a tokenizer.json. As LlamaTokenizer of transformers does, texts begin with the bos
 * token and end with none, unless tokenizer_config.json says otherwise, and tokens that were added later are taken from
 * the files beside. Throws {@link ModelFormatError} for what is damaged, and for kinds that are not known.
 */
export function sentencePieceTokenizer(bytes: Uint8Array, name: string, { config, added }: Beside): TokenizerFiles {
  const { tokens, scores, kindOf, trainer, normalizer } = parseModel(bytes, name)
  const kind = trainer.get(trained.modelType) ?? 1
  if (kind !== 2) refuse(name, `is of kind ${quote(models[Number(kind)] ?? kind)}; known is BPE`)
  if (!trainer.get(trained.byteFallback)) refuse(name, 'has no byte fallback')
  if (trainer.get(trained.spacesBehindWords)) refuse(name, 'puts spaces behind words')
  const charsmap = normalizer.get(normalized.charsmap)
  const changes = charsmap instanceof Uint8Array && charsmap.length > 0
  const keepsSpaces = normalizer.get(normalized.removeSpaces) === 0 && (normalizer.get(normalized.escapeSpaces) ?? 1)
  if (changes || !keepsSpaces) refuse(name, 'changes texts before it cuts them')

  const settings = isObject(config) ? config : {}
  const idOf = (field: number, absent: number): number | undefined => {
    const id = signed(trainer.get(field), absent)
    return id >= 0 && id < tokens.length ? id : undefined
  }
  const vocabulary: Vocabulary = {
    tokens,
    kinds: kindOf,
    begin: settings['add_bos_token'] === false ? undefined : idOf(trained.bosId, 1),
    end: settings['add_eos_token'] === true ? idOf(trained.eosId, 2) : undefined,
    name,
  }
  const hasPrefix = Boolean(normalizer.get(normalized.dummyPrefix) ?? 1)
  const files = sentencePieceFiles(vocabulary, { scores, hasPrefix })
  return {
    json: withAdded(files.json, { settings, added, tokens }),
    config: { ...settings, clean_up_tokenization_spaces: false },
  }
}

/** By their number in the message. */
const models = ['', 'unigram', 'BPE', 'word', 'char']

/** Numbers of fields in what the trainer was told. */
const trained = { modelType: 3, spacesBehindWords: 24, byteFallback: 35, bosId: 41, eosId: 42 } as const

/** Numbers of fields in how texts are normalised. */
const normalized = { charsmap: 2, dummyPrefix: 3, removeSpaces: 4, escapeSpaces: 5 } as const

function refuse(name: string, what: string): never {
  throw new ModelFormatError(
    `${name} ${what}: put the model's tokenizer.json beside it (AutoTokenizer.from_pretrained(...).save_pretrained(...) of transformers writes one)`,
  )
}

/** Tokens that came after the vocabulary was made: `added_tokens_decoder` of the config says more than added_tokens.json. */
function withAdded(
  json: unknown,
  {
    settings,
    added,
    tokens,
  }: { settings: Readonly<Record<string, unknown>>; added: unknown; tokens: readonly string[] },
): unknown {
  if (!isObject(json)) return json
  const byId = new Map<unknown, object>()
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true }
  if (isObject(added)) for (const [content, id] of Object.entries(added)) byId.set(id, { ...plain, id, content })
  const decoder = settings['added_tokens_decoder']
  if (isObject(decoder)) {
    for (const [id, token] of Object.entries(decoder)) {
      if (isObject(token)) byId.set(Number(id), { ...plain, ...token, id: Number(id) })
    }
  }
  for (const id of byId.keys()) if (typeof id === 'number' && id < tokens.length) byId.delete(id)
  const before = Array.isArray(json['added_tokens']) ? json['added_tokens'] : []
  return { ...json, added_tokens: [...before, ...byId.values()] }
}

/** Values of the last field of each number: a whole number, four bytes as a number, or bytes. */
type Fields = ReadonlyMap<number, number | Uint8Array>

function parseModel(bytes: Uint8Array, name: string) {
  const tokens: string[] = []
  const scores: number[] = []
  const kindOf: number[] = []
  let [trainer, normalizer]: Fields[] = [new Map(), new Map()]
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  for (const [field, value] of fields(bytes, name)) {
    if (!(value instanceof Uint8Array)) continue
    if (field === 2) trainer = new Map(fields(value, name))
    if (field === 3) normalizer = new Map(fields(value, name))
    if (field !== 1) continue
    const piece = new Map(fields(value, name))
    const [text, score = 0, kind = kinds.normal] = [piece.get(1), piece.get(2), piece.get(3)]
    if (!(text instanceof Uint8Array) || typeof score !== 'number' || typeof kind !== 'number') {
      throw new ModelFormatError(`${name} is damaged: token ${tokens.length} is not a text with a score`)
    }
    try {
      tokens.push(decoder.decode(text))
    } catch (cause) {
      throw new ModelFormatError(`token ${tokens.length} of ${name} is not UTF-8`, { cause })
    }
    scores.push(score)
    kindOf.push(kind)
  }
  if (tokens.length === 0) throw new ModelFormatError(`${name} has no tokens; expected a SentencePiece model`)
  return { tokens, scores, kindOf, trainer: trainer!, normalizer: normalizer! }
}

/** The fields of a protobuf message, in order. */
function* fields(bytes: Uint8Array, name: string): Generator<[field: number, value: number | Uint8Array]> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  let at = 0
  const damaged = () => new ModelFormatError(`${name} is not a SentencePiece model, or is damaged or cut`)

  /** Seven bits a byte, lowest first. Above 2^53, as negative numbers are, it is inexact; `signed` knows. */
  function varint(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = bytes[at++]
      if (byte === undefined) throw damaged()
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    throw damaged()
  }

  function take(length: number): number {
    const start = at
    at += length
    if (at > bytes.length) throw damaged()
    return start
  }

  while (at < bytes.length) {
    const tag = varint()
    const field = Math.floor(tag / 8)
    switch (tag % 8) {
      case 0:
        yield [field, varint()]
        break
      case 1:
        take(8)
        break
      case 2: {
        const length = varint()
        const start = take(length)
        yield [field, bytes.subarray(start, start + length)]
        break
      }
      case 5:
        yield [field, view.getFloat32(take(4), true)]
        break
      default:
        throw damaged()
    }
  }
}

/** A number that may be negative: as -1, which stands for none and takes ten bytes. */
function signed(value: number | Uint8Array | undefined, absent: number): number {
  if (typeof value !== 'number') return absent
  return value >= 2 ** 63 ? -1 : value
}
