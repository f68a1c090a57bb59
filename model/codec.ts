// Texts to token ids and back, by @huggingface/tokenizers, as the content of one tokenizer.json says.

import { Tokenizer as LibraryTokenizer } from '@huggingface/tokenizers'
import { DrafthorseError, ModelFormatError } from '../engine/errors.ts'
import { isObject, type JsonObject, quote } from './load/json.ts'

/** What becomes of special tokens that a text spells out: `parse` makes them of it, `plain` leaves it the text that it is. */
export type SpecialTokens = 'parse' | 'plain'

/** A piece of a text, with its own answer to {@link SpecialTokens}. No special token begins in one piece and ends in another. */
export interface TextPart {
  readonly text: string
  readonly specialTokens: SpecialTokens
}

export interface Codec {
  /** Throws {@link ModelFormatError} for what the tokenizer.json cannot do. A string is parsed. */
  encode(text: string | readonly TextPart[], addSpecialTokens: boolean): number[]
  /** The text of ids that all have a token; special ones are part of it. */
  decode(ids: readonly number[]): string
}

export interface CodecSetup {
  readonly content: JsonObject
  /** The content of tokenizer_config.json. */
  readonly config: JsonObject
  /** Tokens that no plain text may give. */
  readonly special: ReadonlySet<number>
  /** What messages call the tokenizer.json. */
  readonly where: string
}

/** A token that texts spell out. */
export interface AddedToken {
  readonly content: string
  readonly id: number
  readonly lstrip?: boolean
  readonly rstrip?: boolean
}

/** Tokens of whitespace alone are ways of writing a text, and no more special than its words. */
export function isSpecialText({ content }: AddedToken): boolean {
  return content.trim() !== ''
}

/** The part of the library's class that is used; its own type declarations do not resolve under Node's ESM rules. */
interface Library {
  encode(text: string, options: { add_special_tokens: boolean }): { ids: (number | undefined)[]; tokens: string[] }
  decode(ids: number[], options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean }): string
  token_to_id(token: string): number | undefined
  id_to_token(id: number): string | undefined
  model: object
  pre_tokenizer: ((text: string, options: { section_index: number }) => string[]) | null
  post_processor: ((tokens: string[], pair: null, add: boolean) => { tokens: string[] }) | null
}

/** Throws {@link ModelFormatError} for a tokenizer.json that the library cannot use; its vocabulary was checked before. */
export function createCodec({ content, config, special, where }: CodecSetup): Codec {
  const library = guarded(where, () => makeLibrary(content, config))
  const unknown = isObject(content['model']) ? content['model']['unk_token'] : undefined
  const unknownId = typeof unknown === 'string' ? library.token_to_id(unknown) : undefined
  let sections: ReturnType<typeof createSections> | undefined
  let plainEncoder: ReturnType<typeof createPlainEncoder> | undefined

  function checkedIds({ ids, tokens }: ReturnType<Library['encode']>): number[] {
    return ids.map((id, i) => {
      if (id !== undefined) return id
      throw new ModelFormatError(`${where} has no id for the token ${quote(tokens[i])}, which it puts in texts`)
    })
  }

  function encodeParts(parts: readonly TextPart[], addSpecialTokens: boolean): number[] {
    sections ??= createSections(listOfAdded(content))
    plainEncoder ??= createPlainEncoder(library, content, config)
    const ids: number[] = []
    for (const [index, section] of sections(parts).entries()) {
      if (typeof section === 'number') {
        ids.push(section)
        continue
      }
      for (const id of checkedIds(plainEncoder(section, index))) {
        if (special.has(id) && id !== unknownId) {
          const token = quote(library.id_to_token(id))
          throw new ModelFormatError(`${where} makes its special token ${token} of plain text; it cannot be told apart`)
        }
        ids.push(id)
      }
    }
    return addSpecialTokens ? withEnds(ids) : ids
  }

  /** As the post-processor does, which is given a stand-in. */
  function withEnds(ids: number[]): number[] {
    const standIn = '\0the text\0'
    const { tokens } = library.post_processor?.([standIn], null, true) ?? { tokens: [standIn] }
    const idsOf = (some: string[]) => checkedIds({ ids: some.map((token) => library.token_to_id(token)), tokens: some })
    const at = tokens.indexOf(standIn)
    return [...idsOf(tokens.slice(0, at)), ...ids, ...idsOf(tokens.slice(at + 1))]
  }

  return {
    encode: (text, addSpecialTokens) =>
      guarded(where, () =>
        typeof text === 'string'
          ? checkedIds(library.encode(text, { add_special_tokens: addSpecialTokens }))
          : encodeParts(text, addSpecialTokens),
      ),
    decode(ids) {
      const how = { skip_special_tokens: false, clean_up_tokenization_spaces: false }
      return guarded(where, () => library.decode([...ids], how))
    },
  }
}

function makeLibrary(content: JsonObject, config: JsonObject): Library {
  const absent = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] }
  const made: unknown = new LibraryTokenizer({ ...absent, ...content }, config)
  return made as Library // the library's class, described by the interface above
}

/**
 * Encodes what has no special tokens: a tokenizer that knows of none, with the vocabulary of the other. A section of a text
 * that is not its first has an index above 0, and some pre-tokenizers give it no leading space.
 */
function createPlainEncoder(
  { model }: Library,
  content: JsonObject,
  config: JsonObject,
): (text: string, index: number) => ReturnType<Library['encode']> {
  const spaces = listOfAdded(content).filter((token) => !isSpecialText(token))
  const small = { type: 'BPE', vocab: {}, merges: [] }
  const library = makeLibrary({ ...content, added_tokens: spaces, model: small, post_processor: null }, config)
  library.model = model
  const cut = library.pre_tokenizer
  let at = 0
  if (cut) library.pre_tokenizer = (text, { section_index }) => cut(text, { section_index: at + section_index })
  return (text, index) => {
    at = index
    return library.encode(text, { add_special_tokens: false })
  }
}

/** Cuts texts at the special tokens in what is to be parsed: ids, and the texts between them. */
function createSections(added: readonly AddedToken[]): (parts: readonly TextPart[]) => (string | number)[] {
  const tokens = new Map(added.filter(isSpecialText).map((token) => [token.content, token]))
  const longestFirst = [...tokens.keys()].sort((a, b) => b.length - a.length)
  const pattern = new RegExp(longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')).join('|'), 'g')

  return (parts) => {
    const sections: (string | AddedToken)[] = []
    const addText = (text: string): void => {
      const last = sections.at(-1)
      if (typeof last === 'string') sections[sections.length - 1] = last + text
      else sections.push(text)
    }
    for (const { text, specialTokens } of parts) {
      let done = 0
      const found = specialTokens === 'plain' || tokens.size === 0 ? [] : text.matchAll(pattern)
      for (const match of found) {
        addText(text.slice(done, match.index))
        sections.push(tokens.get(match[0])!)
        done = match.index + match[0].length
      }
      addText(text.slice(done))
    }
    return sections.flatMap((section, i): (string | number)[] => {
      if (typeof section !== 'string') return [section.id]
      const [before, after] = [sections[i - 1], sections[i + 1]]
      const cut = typeof before === 'object' && before.rstrip ? section.trimStart() : section
      const text = typeof after === 'object' && after.lstrip ? cut.trimEnd() : cut
      return text === '' ? [] : [text]
    })
  }
}

/** The `added_tokens`, which were checked to have an id and a text. */
export function listOfAdded(content: JsonObject): readonly AddedToken[] {
  const added = content['added_tokens']
  return Array.isArray(added) ? (added as AddedToken[]) : []
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
