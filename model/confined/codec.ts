// A codec that cannot hang its caller: what a stranger's tokenizer.json may do without end runs in a thread that is stopped.

import { platform } from '#confined'
import { ModelFormatError } from '../../engine/errors.ts'
import { type Codec, type CodecSetup, createCodec } from '../codec.ts'
import { isObject } from '../load/json.ts'
import { checkGrowth, isHarmless } from './harmless.ts'
import type { CodecRequest, CodecThread } from './platform.ts'

/** Milliseconds for any text, and more for long texts and large vocabularies: ten times what they take. */
const limit = { least: 2000, each: 1 / 50 }

/**
 * Makes a codec, in another thread where its tokenizer.json calls for it. Browsers do not let a page wait for another thread:
 * there it runs in place. Throws {@link ModelFormatError}.
 */
export function openCodec(setup: CodecSetup): Codec {
  checkGrowth(setup.content, setup.where)
  if (isHarmless(setup.content)) return createCodec(setup)
  const first = platform.startCodec(setup)
  return first ? confined(setup, first) : createCodec(setup)
}

function confined(setup: CodecSetup, first: CodecThread): Codec {
  const { where } = setup
  let thread: CodecThread | undefined = first

  function call(request: CodecRequest, size: number): number[] | string {
    if (!thread) {
      thread = platform.startCodec(setup)!
      open()
    }
    const ms = limit.least + size * limit.each
    const reply = thread.call(request, ms)
    if (reply.kind === 'done') return reply.value
    if (reply.kind !== 'late') throw new ModelFormatError(reply.message)
    thread = undefined
    throw new ModelFormatError(
      `${where} was at work on ${size} ${request.kind === 'open' ? 'tokens and merges' : 'characters or ids'} for ${(ms / 1000).toFixed(1)} s, and was stopped: its regular expressions backtrack`,
    )
  }

  function open(): void {
    const { model } = setup.content
    const counted = isObject(model) ? [model['vocab'], model['merges'], setup.content['added_tokens']] : []
    call(
      { kind: 'open' },
      counted.reduce(
        (sum: number, list) => sum + (Array.isArray(list) || isObject(list) ? Object.keys(list).length : 0),
        0,
      ),
    )
  }

  try {
    open()
  } catch (error) {
    first.end()
    throw error
  }
  return {
    encode(text, addSpecialTokens) {
      const size = typeof text === 'string' ? text.length : text.reduce((sum, part) => sum + part.text.length, 0)
      return call({ kind: 'encode', text, addSpecialTokens }, size) as number[] // as the request says
    },
    decode: (ids) => call({ kind: 'decode', ids }, ids.length) as string, // as the request says
    dispose() {
      thread?.end()
      thread = undefined
    },
  }
}
