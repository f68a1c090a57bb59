// Memory of a pass: tensors one behind the other in blocks that go back as a whole.

export interface Bump {
  /** Where there is room for a tensor. Throws what `allocate` throws. */
  take(size: number): number
  /** The blocks that it took. */
  readonly blocks: readonly number[]
}

export interface BumpOptions {
  readonly allocate: (size: number) => number
  /** The size of the first block; each is twice as large as the one before. */
  readonly first: number
  readonly alignment: number
  /** What kernels may touch behind a tensor. */
  readonly spare?: number
}

export function createBump({ allocate, first, alignment, spare = 0 }: BumpOptions): Bump {
  const blocks: number[] = []
  let next = 0
  let end = 0
  let size = first
  return {
    blocks,
    take(wanted) {
      const taken = Math.ceil((wanted + spare) / alignment) * alignment
      if (next + taken > end) {
        const block = Math.max(size, taken)
        next = allocate(block)
        blocks.push(next)
        end = next + block
        size *= 2
      }
      const at = next
      next += taken
      return at
    },
  }
}
