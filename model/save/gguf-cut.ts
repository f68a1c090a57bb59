// llama.cpp's names of the ways to cut texts before merging, by the pre-tokenizer of a tokenizer.json, however it is spelled.

import { cuts } from '../load/gguf-tokenizer.ts'
import { isObject, type JsonObject, listOf } from '../load/json.ts'

/** The name of a way (`tokenizer.ggml.pre`); `undefined` for one that llama.cpp does not have. */
export function cutOf(preTokenizer: unknown): string | undefined {
  const wanted = JSON.stringify(stepsOf(preTokenizer))
  return Object.keys(cuts).find((name) => JSON.stringify(cuts[name]!.steps.map(canonical)) === wanted)
}

function stepsOf(step: unknown): unknown[] {
  if (!isObject(step)) return []
  return step['type'] === 'Sequence' ? listOf(step['pretokenizers']).flatMap(stepsOf) : [canonical(step)]
}

/** What counts in a step of a pre-tokenizer, in one form. */
function canonical(step: object): unknown {
  const { type, ...how } = step as JsonObject // of any JSON object
  if (type === 'ByteLevel') return [type, how['use_regex'] ?? true, how['add_prefix_space'] ?? true]
  if (type === 'Digits') return [type, how['individual_digits'] ?? false]
  const pattern = isObject(how['pattern']) ? how['pattern']['Regex'] : undefined
  return [type, typeof pattern === 'string' ? spelledOut(pattern) : pattern, how['behavior'], how['invert'] ?? false]
}

/** A pattern with `(?i:...)` in both cases: `'s` as `'[sS]`. */
function spelledOut(pattern: string): string {
  const both = (letters: string): string => letters.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}]`)
  return pattern.replace(/\(\?i:([^()]*)\)/g, (_, inside: string) => both(inside))
}
