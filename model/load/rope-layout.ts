// Two layouts of the rows that rope rotates. llama2.c and llama.cpp rotate neighbouring rows (2i, 2i + 1) of each head;
// Hugging Face, whose layout the engine uses, rotates rows i and i + half.

interface Heads {
  readonly rows: number
  readonly headDim: number
}

/** Moves the rows of `[heads * headDim, ...]`, of whatever type, from the first layout to the second. */
export function toHalfSplit(bytes: Uint8Array, heads: Heads): Uint8Array {
  return moveRows(bytes, heads, (pairs, halves) => [pairs, halves])
}

/** Moves them from the second layout to the first. */
export function toPairs(bytes: Uint8Array, heads: Heads): Uint8Array {
  return moveRows(bytes, heads, (pairs, halves) => [halves, pairs])
}

/** `places`: from where to where, given the places of a row in both layouts. */
function moveRows(
  bytes: Uint8Array,
  { rows, headDim }: Heads,
  places: (pairs: number, halves: number) => readonly [from: number, to: number],
): Uint8Array {
  const rowBytes = bytes.length / rows
  const out = new Uint8Array(bytes.length)
  for (let row = 0; row < rows; row++) {
    const inHead = row % headDim
    const [from, to] = places(row, row - inHead + (inHead % 2) * (headDim / 2) + (inHead >> 1))
    out.set(bytes.subarray(from * rowBytes, (from + 1) * rowBytes), to * rowBytes)
  }
  return out
}
