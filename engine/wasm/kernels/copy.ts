// Copying, in vectors. Not by `memory.copy`: engines hold its bounds against a size of their own for each thread, which may
// be that from before another thread took more memory, and then it traps.

/** Copies `bytes`, a multiple of four, to where they do not overlap. */
export function copy(to: usize, from: usize, bytes: usize): void {
  const end = to + bytes
  for (; to + 16 <= end; to += 16, from += 16) v128.store(to, v128.load(from))
  for (; to < end; to += 4, from += 4) store<u32>(to, load<u32>(from))
}
