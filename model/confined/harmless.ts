// What a stranger's tokenizer.json may ask for: texts that stay of the size they have, and regular expressions, which may
// take exponential time for a short text, only where that can be stopped.

import { ModelFormatError } from '../../engine/errors.ts'
import { listOfAdded } from '../codec.ts'
import { knownPatterns } from '../load/cut-patterns.ts'
import { isObject, type JsonObject, quote } from '../load/json.ts'

/** By how much the steps of a tokenizer may lengthen a text, all together. Known ones double it. */
const mostGrowth = 256

/** Characters of a token that texts are searched for; known ones have some 50. */
const longestAdded = 1000

const parts = ['normalizer', 'pre_tokenizer', 'decoder'] as const

/** Steps that take time in proportion to the text. `Replace` and `Split` do so by what they look for. */
const quickSteps: ReadonlySet<unknown> = new Set([
  'Sequence',
  'Prepend',
  'Replace',
  'NFC',
  'NFD',
  'NFKC',
  'NFKD',
  'Lowercase',
  'Strip',
  'ByteLevel',
  'Digits',
  'Split',
  'Metaspace',
  'ByteFallback',
  'Fuse',
])

/** What of a tokenizer may take more time than in proportion to texts, and has to be watched. */
export function slowWork({ model, normalizer, pre_tokenizer, decoder }: JsonObject): {
  readonly encode: boolean
  readonly decode: boolean
} {
  const isBpe = isObject(model) && model['type'] === 'BPE'
  return {
    encode: !isBpe || !stepsOf([normalizer, pre_tokenizer]).every(isQuick),
    decode: !stepsOf(decoder).every(isQuick),
  }
}

function isQuick({ type, pattern }: JsonObject): boolean {
  if (!quickSteps.has(type)) return false
  const regex = isObject(pattern) ? pattern['Regex'] : undefined
  return regex === undefined || (typeof regex === 'string' && knownPatterns.has(regex))
}

/** Throws {@link ModelFormatError} for one that makes long texts of short ones, step by step. */
export function checkGrowth(content: JsonObject, where: string): void {
  for (const part of parts) {
    const growth = stepsOf(content[part]).reduce((product, step) => product * growthOf(step), 1)
    if (growth > mostGrowth) {
      throw new ModelFormatError(
        `the ${part} of ${where} can lengthen a text ${growth} times; at most ${mostGrowth} is run`,
      )
    }
  }
  const { model } = content
  const around = isObject(model) ? ['end_of_word_suffix', 'continuing_subword_prefix', 'continuing_subword_suffix'] : []
  for (const key of around) {
    const text = isObject(model) ? model[key] : undefined
    if (typeof text === 'string' && text.length > mostGrowth) {
      throw new ModelFormatError(
        `"${key}" of ${where} has ${text.length} characters; at most ${mostGrowth} are believed`,
      )
    }
  }
  const long = listOfAdded(content).find((token) => token.content.length > longestAdded)
  if (!long) return
  throw new ModelFormatError(`${where} has an added token of ${long.content.length} characters: ${quote(long.content)}`)
}

/** How much longer a text may be after a step; a regular expression may match the nothing between two characters. */
function growthOf(step: JsonObject): number {
  const { type, pattern } = step
  const inserted = Math.max(
    ...['content', 'prepend', 'replacement', 'str_rep', 'prefix'].map((key) => lengthOf(step[key])),
  )
  if (type === 'ByteLevel') return 2
  if (type === 'Replace' && isObject(pattern) && typeof pattern['String'] === 'string') {
    const found = pattern['String'].length
    return found === 0 ? inserted + 1 : Math.max(1, inserted / found)
  }
  return inserted > 1 || type === 'Replace' ? inserted + 1 : 1
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' ? value.length : 0
}

/** A step and those inside it. */
function stepsOf(step: unknown): JsonObject[] {
  const steps: JsonObject[] = []
  const waiting = [step]
  while (waiting.length > 0) {
    const next = waiting.pop()
    if (Array.isArray(next)) for (const item of next) waiting.push(item)
    if (!isObject(next)) continue
    steps.push(next)
    waiting.push(next['normalizers'], next['pretokenizers'], next['decoders'])
  }
  return steps
}
