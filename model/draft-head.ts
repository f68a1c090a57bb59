// A head for drafting that knows a part of the vocabulary: fewer logits, made sooner. What it proposes the full head verifies.

import type { Backend, Tensor } from '../engine/backend.ts'
import { convert } from '../engine/convert.ts'
import { byteSize } from '../engine/dtype.ts'
import { ArgumentError, DisposedError, DTypeError } from '../engine/errors.ts'
import { createTurn } from '../engine/turn.ts'

/** The rows of the head's matrix that belong to some token ids. */
export interface DraftHead {
  /** `[n]`, ascending: the token of each of its logits. */
  readonly ids: Int32Array
  /** `[n, hiddenSize]`. */
  readonly weight: Tensor
  /** Whether `ids` are 0 to n - 1, so that the place of a logit is its token. */
  readonly identity: boolean
}

/** A head for a time. */
export interface DraftHeadLoan {
  readonly head: DraftHead
  /** Says that the head is not used any more. May be called more than once. */
  release(): void
}

export interface DraftHeads {
  /** The head of these ids, made once, and then kept to the end: nobody knows who holds it. */
  of(ids: readonly number[]): Promise<DraftHead>
  /** The same for a time; kept afterwards as long as it is among the few that were used last. */
  lend(ids: readonly number[]): Promise<DraftHeadLoan>
  /** Frees what was made. */
  free(): void
}

/** A head that was asked for. */
interface Entry {
  readonly making: Promise<DraftHead>
  /** Once it is made. */
  weight?: Tensor
  /** Those who use it for a time. */
  users: number
  /** Whether somebody has it for good. */
  forGood: boolean
}

/** Heads that are kept for who may ask again, those lent at the time among them. */
const mostKept = 2

/** Values that are read back at a time. */
const atOnce = 2 ** 20

/** Makes and keeps the draft heads of a model whose own head is `weight [vocabSize, hiddenSize]`. */
export function createDraftHeads(backend: Backend, head: Tensor): DraftHeads {
  const [vocabSize, hiddenSize] = head.shape as readonly [number, number] // a matrix
  /** By their ids; who was asked for last is last. */
  const entries = new Map<string, Entry>()
  const uploaded = new Set<Tensor>()
  let freed = false

  async function make(ids: Int32Array): Promise<DraftHead> {
    const identity = ids.at(-1) === ids.length - 1
    if (identity && ids.length === vocabSize) return { ids, weight: head, identity }
    const bytes = await gather(backend, head, ids)
    if (freed) throw new DisposedError('the model was disposed while its draft head was made')
    // Nobody promises that its products are the same by rows, so `prepare` need not see to it.
    const weight = backend.upload(bytes, { shape: [ids.length, hiddenSize], dtype: head.dtype })
    uploaded.add(weight)
    return { ids, weight, identity }
  }

  function entryOf(list: readonly number[]): Entry {
    const ids = checkedIds(list, vocabSize)
    const key = ids.join()
    const known = entries.get(key)
    const entry: Entry = known ?? { making: make(ids), users: 0, forGood: false }
    entries.delete(key)
    entries.set(key, entry)
    if (!known) {
      const forget = (): void => {
        if (entries.get(key) === entry) entries.delete(key)
      }
      entry.making.then(({ weight }) => {
        entry.weight = weight
      }, forget)
    }
    return entry
  }

  /** Frees what nobody uses, the longest unused first, down to as many as are kept. */
  function trim(): void {
    let more = [...entries.values()].filter(({ forGood }) => !forGood).length - mostKept
    for (const [key, { weight, users, forGood }] of entries) {
      if (more <= 0) return
      if (users > 0 || forGood) continue
      entries.delete(key)
      more--
      if (weight && uploaded.delete(weight)) backend.free(weight)
    }
  }

  return {
    async of(list) {
      const entry = entryOf(list)
      entry.forGood = true
      return entry.making
    },
    async lend(list) {
      const entry = entryOf(list)
      entry.users++
      trim()
      let lent = true
      const release = (): void => {
        if (lent) entry.users--
        lent = false
        trim()
      }
      try {
        return { head: await entry.making, release }
      } catch (error) {
        release()
        throw error
      }
    },
    free() {
      freed = true
      for (const weight of uploaded) backend.free(weight)
      uploaded.clear()
    },
  }
}

/**
 * Rows of a matrix, in its own type. They are looked up as tokens are, so that no copy of the matrix has to be kept: exact for
 * f32 and bf16, and for blocks that hold what their type's quantiser would make of them again.
 */
async function gather(backend: Backend, table: Tensor, ids: Int32Array): Promise<Uint8Array> {
  const { dtype } = table
  if (dtype === 'i32') throw new DTypeError('the head is a matrix of ids, not of weights')
  const size = table.shape[1]!
  const out = new Uint8Array(byteSize(dtype, [ids.length, size]))
  const rowBytes = byteSize(dtype, [size])
  const rows = Math.max(1, Math.floor(atOnce / size))
  const turn = createTurn()
  for (let start = 0; start < ids.length; start += rows) {
    await turn()
    const some = ids.slice(start, start + rows)
    const arena = backend.arena()
    try {
      const values = arena.tensor([some.length, size])
      backend.ops.embed(values, some, { table })
      const [read] = await backend.read([values])
      out.set(convert(new Uint8Array(read!.buffer, read!.byteOffset, read!.byteLength), 'f32', dtype), start * rowBytes)
    } finally {
      arena.release()
    }
  }
  return out
}

function checkedIds(list: readonly number[], vocabSize: number): Int32Array {
  if (!Array.isArray(list) && !ArrayBuffer.isView(list)) {
    throw new ArgumentError(`a draft head takes a list of token ids, not ${String(list)}`)
  }
  if (list.length === 0) throw new ArgumentError('a draft head takes at least one token id')
  let before = -1
  for (const [i, id] of list.entries()) {
    if (!Number.isSafeInteger(id) || id < 0 || id >= vocabSize) {
      throw new ArgumentError(`id ${i} of the draft head is ${id}; the vocabulary has ids 0 to ${vocabSize - 1}`)
    }
    if (id <= before) {
      throw new ArgumentError(`id ${i} of the draft head is ${id}, after ${before}; give each once, in ascending order`)
    }
    before = id
  }
  return Int32Array.from(list)
}
