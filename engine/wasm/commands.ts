// Records commands for the threads: words that `kernels/index.ts` reads. A command waits for those before it only where it
// needs what they write; between such barriers threads run ahead of each other.

/** The commands of the kernels, each at its number. */
export const opcodes = {
  embed: 0,
  rmsNorm: 1,
  linear: 2,
  rope: 3,
  storeKV: 4,
  attention: 5,
  swiglu: 6,
  copyRows: 7,
  copyKV: 8,
  selectInBlocks: 9,
  selectInRows: 10,
  readAll: 11,
  multiply: 12,
} as const

/** Something that commands read and write, with the last stage in which one did. */
export interface Stamped {
  readAt: number
  writtenAt: number
}

/** What a command does to memory. */
export interface Uses {
  readonly reads: readonly Stamped[]
  readonly writes: readonly Stamped[]
}

export interface Commands {
  readonly empty: boolean
  /** Recorded since the last `take`. */
  readonly barriers: number
  /** Adds a command; `fields` are the words of its class in the kernels. */
  add(op: keyof typeof opcodes, uses: Uses, fields: readonly number[]): void
  /** Adds words that commands refer to, and gives their place in bytes. */
  data(words: ArrayLike<number>): number
  /** Adds words that kernels write before they read them. */
  room(words: number): number
  /** Words of commands and data together. */
  size(): number
  /** Copies all of it to `out`, commands first, and begins anew. Returns the number of words that are commands. */
  take(out: Int32Array): number
}

export function createCommands(): Commands {
  const list = createWords()
  const tables = createWords()
  /** Numbers of stages never come back, so stamps of earlier lists are merely old. */
  let stage = 1
  let barriers = 0

  function conflicts({ reads, writes }: Uses): boolean {
    for (const { writtenAt } of reads) if (writtenAt === stage) return true
    for (const { readAt, writtenAt } of writes) if (writtenAt === stage || readAt === stage) return true
    return false
  }

  return {
    get empty() {
      return list.length === 0
    },
    get barriers() {
      return barriers
    },
    add(op, uses, fields) {
      const waits = conflicts(uses)
      if (waits) {
        stage++
        barriers++
      }
      for (const used of uses.reads) used.readAt = stage
      for (const used of uses.writes) used.writtenAt = stage
      const at = list.length
      list.skip(3 + fields.length)
      const words = list.all()
      words[at] = opcodes[op]
      words[at + 1] = (3 + fields.length) * 4
      words[at + 2] = waits ? 1 : 0
      for (let i = 0; i < fields.length; i++) words[at + 3 + i] = fields[i]!
    },
    data(words) {
      const at = tables.length * 4
      tables.append(words)
      return at
    },
    room(words) {
      const at = tables.length * 4
      tables.skip(words)
      return at
    },
    size: () => list.length + tables.length,
    take(out) {
      const commands = list.length
      out.set(list.values(), 0)
      out.set(tables.values(), commands)
      list.clear()
      tables.clear()
      stage++
      barriers = 0
      return commands
    },
  }
}

const bits = new Float32Array(1)
const bitsAsWord = new Int32Array(bits.buffer)

/** The word of a command that holds an f32. */
export function float(value: number): number {
  bits[0] = value
  return bitsAsWord[0]!
}

/** A growing array of words. */
function createWords() {
  let array = new Int32Array(4096)
  const words = {
    length: 0,
    all: () => array,
    values: () => array.subarray(0, words.length),
    skip(count: number) {
      if (words.length + count > array.length) {
        const larger = new Int32Array(Math.max(2 * array.length, words.length + count))
        larger.set(words.values())
        array = larger
      }
      words.length += count
    },
    append(values: ArrayLike<number>) {
      const at = words.length
      words.skip(values.length)
      array.set(values, at)
    },
    clear() {
      words.length = 0
    },
  }
  return words
}
