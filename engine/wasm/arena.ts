// Memory of a pass: tensors one behind the other in blocks that go back as a whole.

import { type Heap, spare } from './heap.ts'

const firstBlock = 1 << 18

export interface Bump {
  /** The address of memory for a tensor. Throws {@link OutOfMemoryError}. */
  take(bytes: number): number
  /** The blocks that it took. */
  readonly blocks: readonly number[]
}

export function createBump({ allocate }: Heap): Bump {
  const blocks: number[] = []
  let next = 0
  let end = 0
  let size = firstBlock
  return {
    blocks,
    take(bytes) {
      const taken = Math.ceil((bytes + spare) / 64) * 64
      if (next + taken > end) {
        const wanted = Math.max(size, taken)
        next = allocate(wanted)
        blocks.push(next)
        end = next + wanted
        size *= 2
      }
      const address = next
      next += taken
      return address
    },
  }
}
