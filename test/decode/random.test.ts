// Noise: uniform, without a pattern in token, position, stream or seed, and never infinite.
import assert from 'node:assert/strict'
import { gumbelOf, noiseAt } from '../../decode/random.ts'
import { chanceOfWorse } from './chi-square.ts'

const even = (bins: number): number[] => Array<number>(bins).fill(1 / bins)

/** How often each of 256 values comes up, of 8 bits from `shift` on of `draws` words. */
function histogram(word: (i: number) => number, shift: number, draws = 100_000): number[] {
  const counts = Array<number>(256).fill(0)
  for (let i = 0; i < draws; i++) counts[(word(i) >>> shift) & 255]!++
  return counts
}

describe('noise', () => {
  const at: Readonly<Record<string, (i: number) => number>> = {
    tokens: (i) => noiseAt(1, 0, 5).bits(i),
    positions: (i) => noiseAt(1, 0, i).bits(7),
    streams: (i) => noiseAt(1, i, 5).bits(7),
    seeds: (i) => noiseAt(i, 0, 5).bits(7),
    'large seeds': (i) => noiseAt(i * 2 ** 32, 0, 5).bits(7),
  }
  for (const [what, word] of Object.entries(at)) {
    it(`is even over ${what}, in its high bits and its low`, () => {
      for (const shift of [0, 12, 24]) assert.ok(chanceOfWorse(histogram(word, shift), even(256)) > 1e-4, `${shift}`)
    })

    it(`has nothing to do with its neighbour's, over ${what}`, () => {
      const pairs = (i: number): number => ((word(2 * i) >>> 28) << 4) | (word(2 * i + 1) >>> 28)
      assert.ok(chanceOfWorse(histogram(pairs, 0), even(256)) > 1e-4)
    })
  }

  it('differs between every two of seed, stream and position that are swapped', () => {
    const words = [
      noiseAt(1, 2, 3),
      noiseAt(1, 3, 2),
      noiseAt(2, 1, 3),
      noiseAt(2, 3, 1),
      noiseAt(3, 1, 2),
      noiseAt(3, 2, 1),
    ]
    assert.equal(new Set(words.map((noise) => noise.bits(0))).size, 6)
  })

  it('is finite for all bits, and the smaller the larger they are', () => {
    assert.ok(Math.abs(gumbelOf(0) - 22.87) < 0.01)
    assert.ok(Math.abs(gumbelOf(2 ** 32 - 1) + 3.13) < 0.01)
    assert.ok(Math.abs(gumbelOf(2 ** 31) - -Math.log(Math.LN2)) < 1e-9)
  })
})
