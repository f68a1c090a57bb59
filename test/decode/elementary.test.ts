// Exponential and logarithm, against the engine's own.
import assert from 'node:assert/strict'
import { exp, log } from '../../decode/elementary.ts'

/** `count` numbers from `from` to `to`, evenly. */
const grid = (from: number, to: number, count: number): number[] =>
  Array.from({ length: count }, (_, i) => from + ((to - from) * i) / (count - 1))

describe('the own exponential and logarithm', () => {
  it('are those of the engine to 2e-15 of themselves', () => {
    for (const x of [...grid(-700, 700, 20001), ...grid(-1, 1, 2001)]) {
      assert.ok(Math.abs(exp(x) / Math.exp(x) - 1) <= 2e-15, `exp(${x})`)
    }
    for (const x of [...grid(1e-10, 3, 20001), ...grid(-700, 700, 2001).map(Math.exp)]) {
      assert.ok(Math.abs(log(x) - Math.log(x)) <= 2e-15 * Math.abs(Math.log(x)), `log(${x})`)
    }
  })

  it('are exact where the result is', () => {
    assert.equal(exp(0), 1)
    assert.equal(log(1), 0)
    assert.equal(exp(-1000), 0)
    assert.equal(exp(Number.NEGATIVE_INFINITY), 0)
  })

  it('stay precise next to 1, where noise comes from', () => {
    assert.ok(Math.abs(log(1 - 2 ** -33) * -(2 ** 33) - 1) < 1e-9)
  })
})
