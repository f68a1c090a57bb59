// Hands what was recorded to the threads, as one list.

import type { Commands } from './commands.ts'
import * as words from './control.ts'
import type { Crew } from './crew.ts'
import type { Heap } from './heap.ts'

/** Bytes of a list, and of what threads need for themselves, that serve most models from the first pass on. */
const leastRoom = 1 << 16

/** A few milliseconds' work for one thread. */
const fewProducts = 1 << 26

/** What was recorded. */
export interface Recorded {
  readonly commands: Commands
  /** Bytes that each thread needs for itself. */
  readonly scratchBytes: number
  /** Products of two numbers in all: what the list takes, about. */
  readonly products: number
  /** Copies the list to `out` and begins anew; returns the number of words that are commands. */
  take(out: Int32Array): number
}

export interface Runner {
  /** Runs all that was recorded. Throws {@link OutOfMemoryError} before it takes any of it, and {@link BackendCrashedError}. */
  run(recorded: Recorded): Promise<void>
}

/** `onList` is called for each list that is handed over. */
export function createRunner(
  heap: Heap,
  crew: Crew,
  onList: (commands: { readonly barriers: number }) => void = () => {},
): Runner {
  const list = { address: 0, bytes: 0 }
  const scratch = { address: 0, bytes: 0 }

  /** Room of at least so many bytes, whose contents do not matter. */
  function fit(room: { address: number; bytes: number }, bytes: number): void {
    if (room.bytes >= bytes) return
    const larger = Math.max(bytes, 2 * room.bytes, leastRoom)
    const address = heap.allocate(larger)
    heap.free(room.address)
    room.address = address
    room.bytes = larger
  }

  return {
    run(recorded) {
      const { commands } = recorded
      const perThread = Math.ceil(recorded.scratchBytes / 64) * 64 + 64
      fit(list, commands.size() * 4)
      fit(scratch, perThread * crew.threads)
      onList(commands)
      const { address } = list
      const isShort = recorded.products < fewProducts
      const count = recorded.take(heap.integers(address, commands.size()))
      const control = heap.words()
      control[words.stageStart] = address
      control[words.listEnd] = control[words.dataStart] = address + count * 4
      control[words.scratchStart] = scratch.address
      control[words.scratchBytes] = perThread
      return crew.run({ isShort })
    },
  }
}
