// Where the last tokens of a text stood before: an index that grows with the text, a few steps for each token.

/** Where the end of a text was met before. */
export interface Meeting {
  /** How many of the last tokens are the same there, as far as the index looks. */
  readonly length: number
  /** Index of the token that followed, where it was met last. */
  readonly next: number
  /** How often these tokens were met before, each time followed by some token. */
  readonly times: number
  /** How many of these times, the last ones, they were followed by the same token. */
  readonly agreeing: number
}

export interface SuffixIndex {
  /**
   * The longest end of `history`, up to `longest` tokens, that stood in it before; undefined where not even the last token
   * did. `history` is that of the call before, grown by any number of tokens: each of them is looked at a few times.
   */
  find(history: readonly number[]): Meeting | undefined
}

/**
 * A tree of contexts, read from the last token backwards: the root's children are the tokens of the text, theirs the tokens
 * that stood before them, down to `longest`. It grows by at most `longest` contexts of 28 to 56 bytes for each token.
 */
export function suffixIndex(longest: number): SuffixIndex {
  const contexts = contextTree()
  let known = 0 // tokens of the history that the contexts before them know as followers

  /** Notes that the contexts which end before `at` are followed by the token there. */
  function add(history: readonly number[], at: number): void {
    let context = contexts.root
    for (let from = at - 1; from >= 0 && from >= at - longest; from--) {
      context = contexts.child(context, history[from]!) || contexts.grow(context, history[from]!)
      const { next, times, agreeing } = contexts.at(context)
      const agrees = times > 0 && history[next] === history[at]
      contexts.set(context, { next: at, times: times + 1, agreeing: agrees ? agreeing + 1 : 1 })
    }
  }

  return {
    find(history) {
      while (known < history.length) add(history, known++)
      let [context, length] = [contexts.root, 0]
      while (length < longest && length < history.length) {
        const child = contexts.child(context, history[history.length - 1 - length]!)
        if (!child) break
        context = child
        length++
      }
      return length > 0 ? { length, ...contexts.at(context) } : undefined
    },
  }
}

type Followers = Pick<Meeting, 'next' | 'times' | 'agreeing'>

interface ContextTree {
  readonly root: number
  /** The child of `parent` by `token`, or 0. */
  child(parent: number, token: number): number
  /** A new child. */
  grow(parent: number, token: number): number
  at(context: number): Followers
  set(context: number, followers: Followers): void
}

/** Numbers of a context: its parent, its token, and its followers. */
const fields = 5

/** A tree whose edges are in a hash table with open addressing, at most half full. */
function contextTree(): ContextTree {
  let count = 1 // the root is context 0
  let capacity = 256
  let numbers = new Int32Array(capacity * fields)
  let slots = new Int32Array(2 * capacity) // contexts by their edges; 0 is a free slot

  /** The slot of an edge, or the free one where it belongs. */
  function slotOf(parent: number, token: number): number {
    const mask = slots.length - 1
    let hash = Math.imul(parent, 0x9e3779b1) ^ Math.imul(token, 0x85ebca6b)
    hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
    let slot = (hash ^ (hash >>> 13)) & mask
    while (true) {
      const context = slots[slot]!
      if (context === 0) return slot
      if (numbers[context * fields] === parent && numbers[context * fields + 1] === token) return slot
      slot = (slot + 1) & mask
    }
  }

  function double(): void {
    capacity *= 2
    const old = numbers
    numbers = new Int32Array(capacity * fields)
    numbers.set(old)
    slots = new Int32Array(2 * capacity)
    for (let context = 1; context < count; context++) {
      slots[slotOf(numbers[context * fields]!, numbers[context * fields + 1]!)] = context
    }
  }

  return {
    root: 0,
    child: (parent, token) => slots[slotOf(parent, token)]!,
    grow(parent, token) {
      if (count === capacity) double()
      const context = count++
      slots[slotOf(parent, token)] = context
      numbers[context * fields] = parent
      numbers[context * fields + 1] = token
      return context
    },
    at(context) {
      const start = context * fields + 2
      return { next: numbers[start]!, times: numbers[start + 1]!, agreeing: numbers[start + 2]! }
    },
    set(context, { next, times, agreeing }) {
      const start = context * fields + 2
      numbers[start] = next
      numbers[start + 1] = times
      numbers[start + 2] = agreeing
    },
  }
}
