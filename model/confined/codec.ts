// A codec that does not hang its caller: what a stranger's tokenizer.json may do without end is stopped.

import { platform } from '#confined'
import { ModelFormatError } from '../../engine/errors.ts'
import { type Codec, type CodecSetup, createCodec } from '../codec.ts'
import { isObject, type JsonObject } from '../load/json.ts'
import { checkGrowth, slowWork } from './harmless.ts'

/** Milliseconds for any text, and for each of its characters, or of the tokens of a vocabulary: ten times what they take. */
const limit = { least: 2000, each: 1 / 50 }

/**
 * Makes a codec that is stopped where its tokenizer.json lets a text take too long; in browsers nothing can be. Throws
 * {@link ModelFormatError}.
 */
export function openCodec(setup: CodecSetup): Codec {
  const { content, where } = setup
  checkGrowth(content, where)
  const slow = slowWork(content)

  function limited<T>(size: number, run: () => T): T {
    const ms = limit.least + size * limit.each
    const done = platform.within(ms, run)
    if (done) return done.value
    throw new ModelFormatError(
      `${where} took more than ${(ms / 1000).toFixed(1)} s for ${size} characters or tokens, and was stopped: its regular expressions may backtrack`,
    )
  }

  const make = (): Codec => createCodec(setup)
  const codec = slow.encode ? limited(vocabularySize(content), make) : make()
  return {
    encode(text, addSpecialTokens) {
      const run = (): number[] => codec.encode(text, addSpecialTokens)
      if (!slow.encode) return run()
      return limited(
        typeof text === 'string' ? text.length : text.reduce((sum, part) => sum + part.text.length, 0),
        run,
      )
    },
    decode: (ids) => (slow.decode ? limited(ids.length, () => codec.decode(ids)) : codec.decode(ids)),
  }
}

function vocabularySize({ model, added_tokens }: JsonObject): number {
  const lists = isObject(model) ? [model['vocab'], model['merges'], added_tokens] : [added_tokens]
  return lists.reduce((sum: number, list) => sum + (typeof list === 'object' && list ? Object.keys(list).length : 0), 0)
}
