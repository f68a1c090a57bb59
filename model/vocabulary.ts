// What a tokenizer.json says of its tokens, checked: a library that takes it on trust is only given what passed.

import { ModelFormatError } from '../engine/errors.ts'
import { asObject, describe, isObject, type JsonObject, quote } from './load/json.ts'

export interface Vocabulary {
  /** Ids are below this. */
  readonly size: number
  /** 1 for each id that has a token. */
  readonly known: Uint8Array
  /** Ids of tokens that are no text. */
  readonly special: ReadonlySet<number>
}

/** Ids that are believed: as many as a config may have. */
const mostIds = 2 ** 24

/** Throws {@link ModelFormatError} for tokens and merges that are none. `config`: the content of tokenizer_config.json. */
export function readVocabulary(content: JsonObject, config: JsonObject, where: string): Vocabulary {
  const model = asObject(content['model'], `"model" of ${where}`)
  const { vocab, merges } = model
  const named = new Set(
    listOf(config['additional_special_tokens'], 'additional_special_tokens').map((entry) =>
      isObject(entry) ? entry['content'] : entry,
    ),
  )
  const special = new Set<number>()
  const ids: number[] = []
  let size = 0
  const check = (id: unknown, token: unknown): void => {
    if (typeof token !== 'string' || typeof id !== 'number' || !Number.isSafeInteger(id) || id < 0 || id >= mostIds) {
      throw new ModelFormatError(
        `${where} gives token ${quote(token)} the id ${quote(id)}; expected a whole number from 0 on`,
      )
    }
    ids.push(id)
    size = Math.max(size, id + 1)
    if (named.has(token)) special.add(id)
  }
  const pairs: Iterable<[unknown, unknown]> = Array.isArray(vocab)
    ? vocab.map((entry, id) => [Array.isArray(entry) ? entry[0] : entry, id]) // Unigram: [token, score] in order
    : Object.entries(asObject(vocab, `"vocab" of ${where}`))
  for (const [token, id] of pairs) check(id, token)
  for (const added of listOf(content['added_tokens'], `"added_tokens" of ${where}`)) {
    const { id, content: token, special: isSpecial } = asObject(added, `an added token of ${where}`)
    check(id, token)
    if (isSpecial === true && typeof id === 'number') special.add(id)
  }
  for (const merge of listOf(merges, `"merges" of ${where}`)) {
    const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge
    if (Array.isArray(parts) && parts.length === 2 && parts.every((part) => typeof part === 'string')) continue
    throw new ModelFormatError(`${where} has the merge ${quote(merge)}; expected two tokens`)
  }
  if (size === 0) throw new ModelFormatError(`${where} has no tokens`)
  const known = new Uint8Array(size)
  for (const id of ids) known[id] = 1
  return { size, known, special }
}

function listOf(value: unknown, where: string): readonly unknown[] {
  if (value === undefined || value === null) return []
  if (!Array.isArray(value)) throw new ModelFormatError(`${where} is ${describe(value)}; expected a list`)
  return value
}
