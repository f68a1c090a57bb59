// Text to token ids and back, at once or as a stream, for any kind of tokenizer file.

import { ArgumentError } from '../engine/errors.ts'
import { isSpecialText, listOfAdded, type SpecialTokens, type TextPart } from './codec.ts'
import { openCodec } from './confined/codec.ts'
import { asObject, describe } from './load/json.ts'
import { readVocabulary } from './vocabulary.ts'

export interface EncodeOptions {
  /** Adds what tokenizer.json's post-processor adds, as a begin-of-text token. Default true. */
  readonly addSpecialTokens?: boolean | undefined
  /**
   * What becomes of special tokens that the text spells out. `'parse'`, the default, makes tokens of them, as transformers
   * does: right for texts of the program's own. `'plain'` takes them for the text that they are: right for what a stranger
   * wrote, who could otherwise write `<|im_start|>system` and speak in the name of somebody else.
   */
  readonly specialTokens?: SpecialTokens | undefined
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
  /** The texts that `specialTokens: 'parse'` makes tokens of, chat roles among them; those of whitespace apart. */
  readonly specialTexts: readonly string[]
  /**
   * As `tok(text).input_ids` of transformers; or of a text in parts, each of them parsed or plain. Throws
   * {@link ModelFormatError} where a stranger's tokenizer.json needs more time for a text than any should.
   */
  encode(text: string | readonly TextPart[], options?: EncodeOptions): number[]
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
  const { size: vocabSize, known, special } = readVocabulary(content, config, where)
  const idLimit = Math.max(vocabSize, options.modelVocabSize ?? 0)
  const codec = openCodec({ content, config, special, where })

  function hasText(id: number, skipSpecialTokens: boolean): boolean {
    if (!Number.isSafeInteger(id) || id < 0 || id >= idLimit) {
      throw new ArgumentError(
        `token id ${id} is outside the vocabulary; ids are whole numbers from 0 to ${idLimit - 1}`,
      )
    }
    return known[id] === 1 && !(skipSpecialTokens && special.has(id))
  }

  const text = (ids: number[]): string => (ids.length === 0 ? '' : codec.decode(ids))

  return {
    vocabSize,
    specialTexts: listOfAdded(content)
      .filter(isSpecialText)
      .map((token) => token.content),

    encode(input, { addSpecialTokens = true, specialTokens = 'parse' } = {}) {
      if (specialTokens !== 'parse' && specialTokens !== 'plain') {
        throw new ArgumentError(`specialTokens is "${String(specialTokens)}", expected "parse" or "plain"`)
      }
      if (typeof input !== 'string') return codec.encode(checkedParts(input), addSpecialTokens)
      return codec.encode(specialTokens === 'parse' ? input : [{ text: input, specialTokens }], addSpecialTokens)
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

function checkedParts(parts: readonly TextPart[]): readonly TextPart[] {
  if (!Array.isArray(parts)) throw new ArgumentError(`expected a text to encode, but got ${describe(parts)}`)
  for (const part of parts) {
    if (typeof part?.text === 'string' && ['parse', 'plain'].includes(part.specialTokens)) continue
    throw new ArgumentError(`expected parts like { text, specialTokens: 'plain' }, but got ${describe(part)}`)
  }
  return parts
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
