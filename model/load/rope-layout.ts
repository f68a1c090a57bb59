// Two layouts of the rows that rope rotates. llama2.c and llama.cpp rotate neighbouring rows (2i, 2i + 1) of each head;
// Hugging Face, whose layout the engine uses, rotates rows i and i + half.

/** Moves the rows of `[heads * headDim, ...]`, of whatever type, from the first layout to the second. */
export function toHalfSplit(bytes: Uint8Array, { rows, headDim }: { rows: number; headDim: number }): Uint8Array {
  const rowBytes = bytes.length / rows
  const out = new Uint8Array(bytes.length)
  for (let row = 0; row < rows; row++) {
    const inHead = row % headDim
    const target = row - inHead + (inHead % 2) * (headDim / 2) + (inHead >> 1)
    out.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), target * rowBytes)
  }
  return out
}
