// Prefill: the prompt's rows are cached before decoding begins.

import type { Turn } from '../engine/turn.ts'
import { commit, type Sequence } from '../model/cache.ts'
import type { Llama } from '../model/llama.ts'

/** Caches the rows of the prompt's tokens from the sequence's length on, but for the newest, in passes that suit the backend. */
export async function prefill(
  model: Llama,
  sequence: Sequence,
  { ids, turn, onPass }: { ids: readonly number[]; turn: Turn; onPass: () => void },
): Promise<void> {
  const { backend } = model
  const { passRows } = backend.capabilities
  for (let start = sequence.length; start < ids.length - 1; start += passRows) {
    await turn()
    const chunk = ids.slice(start, Math.min(start + passRows, ids.length - 1))
    const arena = backend.arena()
    try {
      const rows = model.rows([{ sequence, count: chunk.length }], arena)
      model.run(model.embed(Int32Array.from(chunk), rows), rows)
      await backend.read([])
      commit(sequence, chunk)
    } finally {
      arena.release()
    }
    onPass()
  }
}
