// What tests of decoding share: collecting a stream, watched backends, and what must not depend on the draft.
import assert from 'node:assert/strict'
import type { Model, SkipSet } from 'drafthorse'
import type { GenerationEvent, GenerationResult, GenerationStream } from 'drafthorse/decode'
import { type BackendModule, type OpName, type Ops, withOps } from 'drafthorse/engine'
import { type ReferenceCache, type ReferenceTensor, reference } from 'drafthorse/engine/reference'
import type { Sequence } from 'drafthorse/model'

export interface Collected {
  readonly events: readonly GenerationEvent[]
  readonly result: GenerationResult
}

export async function collect(stream: GenerationStream): Promise<Collected> {
  const events: GenerationEvent[] = []
  for await (const event of stream) events.push(event)
  return { events, result: await stream.result }
}

/** Generations that are over hold no memory of their own. */
export function assertNothingHeld({ backend }: Model): void {
  const { caches, arenas } = backend.memory()
  assert.deepEqual({ caches, arenas }, { caches: 0, arenas: 0 })
}

/** What must not depend on the draft. */
export function outcome({ tokens, text, finishReason }: GenerationResult): unknown {
  return { tokens, text, finishReason }
}

/** The reference backend, with `before` called ahead of every op. */
export async function watched(before: (op: OpName) => void): Promise<BackendModule<ReferenceTensor>> {
  const { ops } = await reference.open({})
  const replaced: Record<string, unknown> = {}
  for (const [name, kernel] of Object.entries(ops)) {
    replaced[name] = (...call: unknown[]) => {
      before(name as OpName) // the names of the ops' own properties
      Reflect.apply(kernel, undefined, call)
    }
  }
  return withOps(reference, replaced as Partial<Ops<ReferenceTensor>>) // the same ops under the same names
}

/** The reference backend, cutting prompts into passes of `passRows`. */
export function withPassRows(passRows: number): BackendModule<ReferenceTensor> {
  return {
    ...reference,
    async open(options) {
      const backend = await reference.open(options)
      return { ...backend, capabilities: { ...backend.capabilities, passRows } }
    },
  }
}

/** Lets everything run that is ready to. */
export async function turns(count = 3): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** The bytes of a sequence's keys and values on the reference backend, those of counted rows only. */
export function cachedBytes({ cache, length }: Sequence): Buffer {
  const { keys, values, width } = cache as ReferenceCache // these sequences live on the reference backend
  return Buffer.concat(
    [...keys, ...values].map(({ buffer, byteOffset }) => Buffer.from(buffer, byteOffset, length * width * 4)),
  )
}

/** Every sublayer of these layers, or of one kind. */
export function skipping(layers: readonly number[], kind: 'attention' | 'mlp' | 'both' = 'both'): SkipSet {
  return { attention: kind === 'mlp' ? [] : layers, mlp: kind === 'attention' ? [] : layers }
}
