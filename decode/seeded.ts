// Choices that look like chance and are the same for the same seed.

import { noiseAt } from './random.ts'

export interface Seeded {
  /** A whole number from 0 up to, not including, `count`. */
  below(count: number): number
  /** The list in another order. */
  shuffled<T>(list: readonly T[]): T[]
}

/** The choices of a seed for one purpose, which `words` name. */
export function seeded(seed: number, ...words: readonly (string | number)[]): Seeded {
  const stream = hash(words.join('\n'))
  let drawn = 0
  const below = (count: number): number => Math.floor((noiseAt(seed, stream, drawn++).bits(0) / 2 ** 32) * count)
  return {
    below,
    shuffled(list) {
      const order = [...list]
      for (let last = order.length - 1; last > 0; last--) {
        const other = below(last + 1)
        ;[order[last], order[other]] = [order[other]!, order[last]!]
      }
      return order
    },
  }
}

/** FNV-1a, 32 bits, of UTF-16 units. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}
