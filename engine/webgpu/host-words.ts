// What the host passes to the kernels of a submission: parameters and tables, in one array that is written at once.

export interface HostWords {
  /** Words so far. */
  readonly length: number
  /** Adds words, and gives the place of the first. */
  table(words: ArrayLike<number>): number
  /** Adds the parameters of a dispatch, and gives their place in bytes, where a binding may begin. */
  params(words: readonly number[]): number
  all(): Uint32Array<ArrayBuffer>
  clear(): void
}

/** `alignment`: of bindings, in bytes; `most`: words that the parameters of a dispatch may have. */
export function createHostWords({ alignment, most }: { alignment: number; most: number }): HostWords {
  let words = new Uint32Array(16384)
  let length = 0
  const step = alignment / 4

  function grow(to: number): void {
    if (to <= words.length) return
    const larger = new Uint32Array(Math.max(2 * words.length, to))
    larger.set(words)
    words = larger
  }

  function add(values: ArrayLike<number>): number {
    const at = length
    grow(at + values.length)
    words.set(values, at)
    length = at + values.length
    return at
  }

  return {
    get length() {
      return length
    },
    table: add,
    params(values) {
      const at = Math.ceil(length / step) * step
      grow(at + most)
      for (let i = 0; i < values.length; i++) words[at + i] = values[i]!
      // A binding has room for the most parameters, whatever lies there.
      length = at + most
      return at * 4
    },
    all: () => words,
    clear() {
      length = 0
    },
  }
}

const bits = new Float32Array(1)
const bitsAsWord = new Uint32Array(bits.buffer)

/** The word that holds an f32. */
export function float(value: number): number {
  bits[0] = value
  return bitsAsWord[0]!
}
