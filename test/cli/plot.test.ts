// Curves in text.
import assert from 'node:assert/strict'
import { plot } from '../../cli/plot.ts'

const options = { base: 1, height: 4, under: ['0', '5', '9'] } as const

describe('a plot', () => {
  it('has each curve where its values are, and the base where they are no higher', () => {
    const rising = [0.5, 1, 1, 1.5, 2, 2.5, 3, 3, 3, 3]
    const flat = [1, 1, 1, 1, 1, 1, 1, 1, 1.5, 1.5]
    const drawn = plot(
      [
        { mark: 'x', values: rising },
        { mark: 'o', values: flat },
      ],
      options,
    )
    assert.equal(
      drawn,
      [
        '3.00 |      xxxx',
        '     |     x',
        '2.00 |    x',
        '     |   x    oo',
        '1.00 |----------',
        '      0    5   9',
      ].join('\n'),
    )
  })

  it('shows the curve that is named first where two meet', () => {
    const values = [2, 2]
    const drawn = plot(
      [
        { mark: 'a', values },
        { mark: 'b', values },
      ],
      { ...options, under: ['', '', ''] },
    )
    assert.match(drawn, /^2\.00 \|aa\n/)
    assert.doesNotMatch(drawn, /b/)
  })

  it('is a line where no curve leaves the base', () => {
    const drawn = plot([{ mark: 'x', values: [1, 1, 0.4, 1] }], { ...options, under: ['', '', ''] })
    assert.match(drawn, /\n1\.00 \|----\n?$/)
    assert.doesNotMatch(drawn, /x/)
  })
})
