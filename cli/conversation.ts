// A conversation with a model: what was said so far, and the cache that holds it from turn to turn.

import { adaptive, adaptiveState } from '../decode/draft-length/adaptive.ts'
import type { GenerationResult } from '../decode/events.ts'
import { generate } from '../decode/generate.ts'
import type { GenerateOptions } from '../decode/options.ts'
import type { GenerationStream } from '../decode/stream.ts'
import { ArgumentError } from '../engine/errors.ts'
import type { ChatMessage } from '../model/chat.ts'
import type { Model } from '../model/load-model.ts'

export interface Conversation {
  readonly messages: readonly ChatMessage[]
  /**
   * The model's answer, which `show` reads to its end. Only what the last turns left to do is run. An answer that was
   * stopped is kept as far as it came; a message that got none is forgotten. Throws {@link ArgumentError} for a message that
   * the context has no room for.
   */
  say(text: string, options: Say): Promise<GenerationResult>
  /** Forgets all but the system's message. */
  reset(): void
  /** What `/save` writes. */
  transcript(): object
}

export interface Say {
  readonly signal: AbortSignal
  readonly show: (stream: GenerationStream) => Promise<GenerationResult>
}

export interface ConversationOptions {
  readonly system?: string | undefined
  /** The name of the chat template. */
  readonly template?: string | undefined
  readonly settings: GenerateOptions
}

/** What a transcript says it is. */
export const chatFormat = 'drafthorse/chat@1'

/** Throws {@link NotFoundError} for a model that was not taught to chat. */
export function createConversation(model: Model, { system, template, settings }: ConversationOptions): Conversation {
  const { chat } = model
  const { maxPositionEmbeddings: context } = model.config
  const first: ChatMessage[] = system === undefined ? [] : [{ role: 'system', content: system }]
  const sequence = model.createSequence()
  // What the feedback learns in a turn holds in the next.
  const carried = settings.draftLength === 'adaptive' ? { draftLength: adaptive({ state: adaptiveState() }) } : {}
  let messages: readonly ChatMessage[] = first

  return {
    get messages() {
      return messages
    },
    async say(text, { signal, show }) {
      const asked = [...messages, { role: 'user', content: text }]
      const ids = await chat.encode(asked, { template })
      if (ids.length > context) {
        const size = `the conversation has ${ids.length} tokens with this message, which is not kept`
        throw new ArgumentError(`${size}; the model's context holds ${context}: /reset begins anew`)
      }
      const result = await show(generate(model, ids, { ...settings, ...carried, sequence, signal }))
      if (result.text !== '') messages = [...asked, { role: 'assistant', content: result.text }]
      return result
    },
    reset() {
      messages = first
    },
    transcript: () => ({ format: chatFormat, model: model.name, template, messages }),
  }
}
