// Text to token ids and back, as a model's tokenizer.json says; @huggingface/tokenizers does the work.

import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { ArgumentError, DrafthorseError, ModelFormatError } from '../engine/errors.ts'
import { asObject, describe, isObject, type JsonObject, quote } from './load/json.ts'

export interface EncodeOptions {
  /** Adds what tokenizer.json's post-processor adds, as a begin-of-text token. Default true. */
  readonly addSpecialTokens?: boolean | undefined
}

export interface DecodeOptions {
  /** Leaves special tokens out of the text. Default true. */
  readonly skipSpecialTokens?: boolean | undefined
}

export interface TextStreamOptions extends DecodeOptions {
  /** Ids that came before, whose text is not repeated: the stream gives what follows it. Default none. */
  readonly after?: readonly number[] | undefined
}

/** Turns ids into text as they come. */
export interface TextStream {
  /**
   * The text that became certain with this id; empty while a character is incomplete. Throws {@link ArgumentError} for an
   * id that the model does not have.
   */
  push(id: number): string
  /** The rest at the end of the ids: U+FFFD for a character that remained incomplete, or nothing. */
  flush(): string
}

export interface Tokenizer {
  /** Ids are below this; not each needs to have a token. The model's own vocabulary may be larger. */
  readonly vocabSize: number
  /** As `tok(text).input_ids` of transformers. */
  encode(text: string, options?: EncodeOptions): number[]
  /**
   * The text of ids; bytes that are no UTF-8 become U+FFFD. Spaces are as the model wrote them: transformers'
   * `clean_up_tokenization_spaces` is never applied, since text could not be streamed with it. Ids of the model that have
   * no token give no text. Throws {@link ArgumentError} for an id that the model does not have.
   */
  decode(ids: readonly number[], options?: DecodeOptions): string
  /**
   * Incremental {@link Tokenizer.decode}: all pieces and the flushed rest, joined, are the text of all ids. Takes the same
   * time for each id, however many came before.
   */
  textStream(options?: TextStreamOptions): TextStream
}

/** The part of the library's class that is used; its own type declarations do not resolve under Node's ESM rules. */
interface Library {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[]; tokens: string[] }
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string
  token_to_id(token: string): number | undefined
  id_to_token(id: number): string | undefined
}

/** Ids that are believed: as many as a config may have. */
const mostIds = 2 ** 24

export interface TokenizerOptions {
  /** What messages call the tokenizer.json. */
  readonly where: string
  /** The content of tokenizer_config.json. */
  readonly config?: unknown
  /** The model's vocabulary, where it is larger than the tokenizer's: the ids between are legal and have no text. */
  readonly modelVocabSize?: number | undefined
}

/** Makes a tokenizer from the content of a tokenizer.json. Throws {@link ModelFormatError}. */
export function createTokenizer(json: unknown, options: TokenizerOptions): Tokenizer {
  const { where } = options
  const content = asObject(json, where)
  const config = options.config === undefined ? {} : asObject(options.config, `the config beside ${where}`)
  const vocabSize = checkVocabulary(content, where)
  const idLimit = Math.max(vocabSize, options.modelVocabSize ?? 0)
  const library = guarded(where, () => makeLibrary(content, config))
  const special = specialIds(content, config, library)

  function hasText(id: number, skipSpecialTokens: boolean): boolean {
    if (!Number.isSafeInteger(id) || id < 0 || id >= idLimit) {
      throw new ArgumentError(
        `token id ${id} is outside the vocabulary; ids are whole numbers from 0 to ${idLimit - 1}`,
      )
    }
    return library.id_to_token(id) !== undefined && !(skipSpecialTokens && special.has(id))
  }

  function text(ids: number[]): string {
    if (ids.length === 0) return ''
    const how = { skip_special_tokens: false, clean_up_tokenization_spaces: false }
    return guarded(where, () => library.decode(ids, how))
  }

  return {
    vocabSize,

    encode(input, { addSpecialTokens = true } = {}) {
      if (typeof input !== 'string') throw new ArgumentError(`expected a text to encode, but got ${describe(input)}`)
      const { ids, tokens } = guarded(where, () => library.encode(input, { add_special_tokens: addSpecialTokens }))
      return ids.map((id, i) => {
        if (id !== undefined) return id
        throw new ModelFormatError(`${where} has no id for the token ${quote(tokens[i])}, which it puts in texts`)
      })
    },

    decode(ids, { skipSpecialTokens = true } = {}) {
      return text(ids.filter((id) => hasText(id, skipSpecialTokens)))
    },

    textStream({ skipSpecialTokens = true, after = [] } = {}) {
      const seen = after.filter((id) => hasText(id, skipSpecialTokens))
      return createTextStream(text, { seen, hasText: (id) => hasText(id, skipSpecialTokens) })
    },
  }
}

/**
 * Ids that the text of the next one is decoded with. Decoders look back by less: a character has four bytes at most, and
 * the first token of a text may lose a leading space.
 */
const windowSize = 16

/**
 * Decodes a window of the latest ids, twice: without and with the new one (as text-generation-inference does). Of the
 * text, only a last U+FFFD is uncertain: it may be a character whose bytes are still coming.
 */
function createTextStream(
  text: (ids: number[]) => string,
  { seen, hasText }: { seen: number[]; hasText: (id: number) => boolean },
): TextStream {
  let window = seen.slice(-windowSize)
  let shown = certain(text(window)).length
  return {
    push(id) {
      if (!hasText(id)) return ''
      window.push(id)
      const now = certain(text(window))
      const piece = now.slice(shown)
      shown = now.length
      if (window.length >= 2 * windowSize) {
        window = window.slice(-windowSize)
        shown = certain(text(window)).length
      }
      return piece
    },
    flush() {
      const rest = text(window).slice(shown)
      shown += rest.length
      return rest
    },
  }
}

function certain(text: string): string {
  return text.endsWith('\ufffd') ? text.slice(0, -1) : text
}

function makeLibrary(content: JsonObject, config: JsonObject): Library {
  const absent = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] }
  const made: unknown = new LibraryTokenizer({ ...absent, ...content }, config)
  return made as Library // the library's class, described by the interface above
}

/** Runs the library; what it throws means that it could not work with the file. */
function guarded<T>(where: string, run: () => T): T {
  try {
    return run()
  } catch (cause) {
    if (cause instanceof DrafthorseError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new ModelFormatError(`${where} is not a tokenizer.json that can be used: ${reason}`, { cause })
  }
}

/** Checks what the library takes on trust, and gives the number of ids. */
function checkVocabulary(content: JsonObject, where: string): number {
  const model = asObject(content['model'], `"model" of ${where}`)
  const { vocab, merges } = model
  let size = 0
  const check = (id: unknown, token: unknown): void => {
    if (typeof token !== 'string' || typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0 || id >= mostIds) {
      throw new ModelFormatError(
        `${where} gives token ${quote(token)} the id ${quote(id)}; expected a whole number from 0 on`,
      )
    }
    size = Math.max(size, id + 1)
  }
  const pairs: Iterable<[unknown, unknown]> = Array.isArray(vocab)
    ? vocab.map((entry, id) => [Array.isArray(entry) ? entry[0] : entry, id]) // Unigram: [token, score] in order
    : Object.entries(asObject(vocab, `"vocab" of ${where}`))
  for (const [token, id] of pairs) check(id, token)
  for (const added of listOf(content['added_tokens'], `"added_tokens" of ${where}`)) {
    const { id, content: token } = asObject(added, `an added token of ${where}`)
    check(id, token)
  }
  for (const merge of listOf(merges, `"merges" of ${where}`)) {
    const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge
    if (Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === 'string')) continue
    throw new ModelFormatError(`${where} has the merge ${quote(merge)}; expected two tokens`)
  }
  if (size === 0) throw new ModelFormatError(`${where} has no tokens`)
  return size
}

function listOf(value: unknown, where: string): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new ModelFormatError(`${where} is ${describe(value)}; expected a list`)
  return value
}

function specialIds(content: JsonObject, config: JsonObject, library: Library): ReadonlySet<number> {
  const special = new Set<number>()
  for (const added of listOf(content['added_tokens'], 'added_tokens')) {
    if (isObject(added) && added['special'] === true && typeof added['id'] === 'number') special.add(added['id'])
  }
  for (const entry of listOf(config['additional_special_tokens'], 'additional_special_tokens')) {
    const token = isObject(entry) ? entry['content'] : entry
    const id = typeof token === 'string' ? library.token_to_id(token) : undefined
    if (id !== undefined) special.add(id)
  }
  return special
}
