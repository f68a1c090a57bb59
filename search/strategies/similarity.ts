// How alike two drafts' hidden states are: the cosine, over all samples.

/** The mean cosine of the samples' states, from -1 to 1; 1 only where all have the same direction. */
export function similarity(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  return a.reduce((sum, state, sample) => sum + cosine(state, b[sample]!), 0) / a.length
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [both, squareA, squareB] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    both += a[i]! * b[i]!
    squareA += a[i]! ** 2
    squareB += b[i]! ** 2
  }
  return both / Math.sqrt(squareA * squareB || 1)
}
