// What differs between Node and browsers: how a stranger's tokenizer or template is run where it can be stopped. The
// package's "#confined" import chooses.

import type { CodecSetup, TextPart } from '../codec.ts'
import type { RenderRequest } from './template.ts'

/** What a codec is asked for. `open` makes it, or says why it cannot be made. */
export type CodecRequest =
  | { readonly kind: 'open' }
  | { readonly kind: 'encode'; readonly text: string | readonly TextPart[]; readonly addSpecialTokens: boolean }
  | { readonly kind: 'decode'; readonly ids: readonly number[] }

/** `late`: it was stopped. `failure`: why it could not go on. `refused`: what a template says to messages that it does not take. */
export type Reply<T> =
  | { readonly kind: 'done'; readonly value: T }
  | { readonly kind: 'failure' | 'refused'; readonly message: string }
  | { readonly kind: 'late' }

export interface CodecThread {
  /** Waits for the answer, `limit` ms at most. Once it is late the thread is of no more use. */
  call(request: CodecRequest, limit: number): Reply<number[] | string>
  end(): void
}

export interface TemplateRunner {
  render(request: RenderRequest): Promise<Reply<string>>
  end(): void
}

export interface Platform {
  /** A thread with a codec, not made yet; `undefined` where nobody may wait for another thread. */
  startCodec(setup: CodecSetup): CodecThread | undefined
  /** Renders templates; nothing is started before the first. */
  createRunner(): TemplateRunner
}
