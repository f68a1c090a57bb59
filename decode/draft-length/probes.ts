// When to try a draft that does not pay at present: seldom, and more seldom each time that it did not.

export interface Probes {
  readonly due: boolean
  /** Rounds since the draft was last used. */
  readonly idle: number
  /** A round went by without this draft. */
  wait(): void
  /** The draft was used while it was not thought to pay; `paid`: it was worth its time. */
  tried(paid: boolean): void
  /** The draft was used because it pays. */
  used(): void
}

/** Rounds to wait. */
const shortest = 8
const longest = 256
/** Rounds in a row that pay, after which waits start from the shortest again. */
const steady = 8

/**
 * `wait`: rounds until the first attempt. One that paid is followed by the next at once; a draft that paid for some rounds,
 * or at the start, and then no longer, is tried again after the shortest wait.
 */
export function probes({ wait }: { readonly wait: number }): Probes {
  let [left, idle, next, good] = [wait, 0, shortest, steady - 1]
  return {
    get due() {
      return left <= 0
    },
    get idle() {
      return idle
    },
    wait() {
      left--
      idle++
    },
    tried(paid) {
      ;[idle, good] = [0, 0]
      if (paid) return
      left = next
      next = Math.min(longest, 2 * next)
    },
    used() {
      idle = 0
      if (++good >= steady) next = shortest
      left = next
    },
  }
}
