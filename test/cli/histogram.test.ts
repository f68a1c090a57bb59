// The histogram of accepted lengths: every count is there, every bar fits and is as long as its count.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { acceptedHistogram, bar } from '../../cli/histogram.ts'

const counts = fc.array(fc.nat(1000), { minLength: 1, maxLength: 20 })
const style = fc.record({ columns: fc.integer({ min: 40, max: 200 }), blocks: fc.boolean() })

describe('bars', () => {
  it('are to an eighth of a column where block characters show, and to a whole one where not', () => {
    assert.equal(bar(0.5, { width: 5, blocks: true }), '██▌')
    assert.equal(bar(1, { width: 3, blocks: true }), '███')
    assert.equal(bar(0.5, { width: 5, blocks: false }), '###')
  })

  it('show what is above nothing, however little, and nothing else', () => {
    for (const blocks of [true, false]) {
      assert.equal(bar(0, { width: 10, blocks }), '')
      assert.equal(bar(Number.NaN, { width: 10, blocks }), '')
      assert.equal(bar(1e-9, { width: 10, blocks }).length, 1)
    }
  })
})

describe('the histogram of accepted lengths', () => {
  it('has a line for every length, with its count and its share of the rounds', () => {
    const lines = [
      'accepted  rounds  share',
      '--------  ------  -----  --------------',
      '       0       3   33 %  #######',
      '       1       0    0 %',
      '       2       6   67 %  ##############',
    ]
    assert.equal(acceptedHistogram([3, 0, 6], { columns: 40, blocks: false }), lines.join('\n'))
  })

  it('fits the terminal, and draws more for more', () => {
    fc.assert(
      fc.property(counts, style, (accepted, { columns, blocks }) => {
        const lines = acceptedHistogram(accepted, { columns, blocks }).split('\n')
        assert.equal(lines.length, accepted.length + 2)
        assert.ok(lines.every((line) => line.length < columns))
        const bars = lines.slice(2).map((line) => /[#█-▏]*$/u.exec(line)![0])
        const sizes = bars.map((drawn) => [...drawn].reduce((sum, char) => sum + eighthsOf(char), 0))
        for (const [i, count] of accepted.entries()) {
          assert.equal(sizes[i]! > 0, count > 0)
          for (const [j, other] of accepted.entries()) if (count > other) assert.ok(sizes[i]! >= sizes[j]!)
        }
      }),
    )
  })

  it('does not draw block characters where they do not show', () => {
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 200 }), (accepted, columns) => {
        // biome-ignore lint/suspicious/noControlCharactersInRegex: what is not ASCII is what must not be there
        assert.doesNotMatch(acceptedHistogram(accepted, { columns, blocks: false }), /[^\u0000-\u007f]/)
      }),
    )
  })

  it('is a table of no rounds for a generation without any', () => {
    assert.equal(acceptedHistogram([], { columns: 80, blocks: true }).split('\n').length, 2)
    assert.match(acceptedHistogram([0], { columns: 80, blocks: true }), /0 {7}0 {4}0 %$/)
  })
})

/** The block characters from an eighth to the whole follow one another downwards from U+258F. */
function eighthsOf(char: string): number {
  return char === '#' ? 8 : 0x2590 - char.codePointAt(0)!
}
