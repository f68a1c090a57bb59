// The summary of a search in a terminal.
import assert from 'node:assert/strict'
import { searchFigures } from '../../../cli/report/search-figures.ts'
import { setTable } from '../../../cli/report/search-tables.ts'
import { searchText } from '../../../cli/report/search-text.ts'
import type { Spread } from '../../../decode/timing.ts'
import type { JournalRecord } from '../../../search/journal.ts'
import { type SyntheticOptions, syntheticJournal } from './synthetic-journal.ts'

function textOf(options: SyntheticOptions, style = { columns: 100, blocks: false }): string {
  const { header, records } = syntheticJournal(options)
  return searchText(searchFigures(header, records), style)
}

/** The cells of the skip map, `[attention, MLP]` of a name: its parts side by side. */
function mapped(text: string, name: string): [string, string] {
  const pattern = new RegExp(`^${name} +attention (\\S+)\\n +MLP +(\\S+)$`, 'gm')
  const parts = [...text.matchAll(pattern)]
  return [parts.map((part) => part[1]).join(''), parts.map((part) => part[2]).join('')]
}

describe('the summary of a search', () => {
  it('has a line for each strategy, with the figures of its points', () => {
    const options = { strategies: ['greedy', 'random'], evaluations: 30 }
    const { records } = syntheticJournal(options)
    for (const strategy of options.strategies) {
      const points = records.filter((record) => record.kind === 'point' && record.strategy === strategy)
      const speeds = points.map((point) => (point.kind === 'point' ? point.speedup : 0))
      const best = Math.max(...speeds)
      const found = points[speeds.indexOf(best)]!
      const reached = speeds.findIndex((speed) => speed >= 0.99 * best) + 1
      const cells = [
        strategy,
        '1',
        '30',
        best.toFixed(3),
        best.toFixed(3),
        found.kind === 'point' && found.draftLength,
        reached,
      ]
      assert.match(textOf(options), new RegExp(`^${cells.join(' +').replaceAll('.', '\\.')} +\\d+\\.\\d +budget$`, 'm'))
    }
  })

  it('maps what the best set of each strategy skips, in as many parts as the terminal needs', () => {
    for (const [layers, columns] of [
      [12, 100],
      [80, 80],
      [80, 200],
    ] as const) {
      const options = { layers, evaluations: 40, strategies: ['clasp', 'swift'] }
      const { records } = syntheticJournal(options)
      const text = textOf(options, { columns, blocks: false })
      for (const strategy of options.strategies) {
        const end = records.find((record) => record.kind === 'end' && record.strategy === strategy)
        assert.ok(end?.kind === 'end')
        const half = (offset: number): string =>
          [...end.best]
            .filter((_, i) => i % 2 === offset)
            .join('')
            .replaceAll('0', '.')
            .replaceAll('1', '#')
        assert.deepEqual(mapped(text, strategy), [half(0), half(1)])
      }
      const map = text.slice(text.indexOf('Skipped (#)'), text.indexOf('measured  predicted'))
      const rows = map.split('\n').filter((line) => / (attention|MLP|layer) /.test(line))
      assert.ok(rows.every((line) => line.length < columns))
      assert.match(map, /^ +layer +0 +10/m)
    }
  })

  it('says that plain decoding is fastest, and draws no curve then', () => {
    const text = textOf({ rowCost: 3 })
    assert.match(
      text,
      /^Plain decoding is fastest here: none of \d+ sets is expected to beat it; skipping .+ comes nearest, at 0\.\d{3} of its speed\.$/m,
    )
    assert.doesNotMatch(text, /Measured|so far|tenth/)
  })

  it('says "at most" of a set with which no draft was tried, in its sentence and in the tables', () => {
    const { header } = syntheticJournal()
    const key = '1'.padStart(header.sublayers, '0')
    const point = { kind: 'point', strategy: 'greedy', seed: 1, key, draftLength: 0, draft: 0.9, ms: 1 } as const
    const tried = { ...point, n: 0, speedup: 1, drafted: 0.9, survival: [0.5] }
    const bounded = { ...point, n: 1, key: key.replace('0', '1'), speedup: 1, drafted: 0.97, survival: [] }
    const figures = searchFigures(header, [tried, bounded])
    const text = searchText(figures, { columns: 100, blocks: false })
    assert.match(text, /; skipping .+ may come nearest, at most 0\.970 of its speed\.$/m)
    assert.deepEqual(
      setTable(figures.sets).rows.map(([, drafting]) => drafting),
      ['at most 0.970', '0.900'],
    )
    const measured = searchText(searchFigures(header, [tried]), { columns: 100, blocks: false })
    assert.match(measured, /; skipping .+ comes nearest, at 0\.900 of its speed\.$/m)
  })

  it('says whether what is expected was measured', () => {
    assert.match(textOf({ confirmed: 0 }), /^No set was confirmed by timed runs/m)
    assert.match(
      textOf({ confirmed: 2 }),
      /^Measured: \d\.\d{3} \(\S+\) times plain decoding with that set, the fastest of 2 sets confirmed\.$/m,
    )
  })

  it('measures a speed-up only where runs were faster than plain decoding beyond chance', () => {
    const { header, records } = syntheticJournal({ confirmed: 2 })
    const doubtful = { median: 1.05, low: 0.99, high: 1.1, count: 9 }
    const slow = records.map((record) => (record.kind === 'confirmed' ? { ...record, speedup: doubtful } : record))
    assert.match(
      searchText(searchFigures(header, slow), { columns: 100, blocks: false }),
      /^Measured: plain decoding is fastest; of 2 sets confirmed, none beat it beyond chance, and the best reached 1\.050 \(0\.990-1\.100\) of it\.$/m,
    )
  })

  it('goes by drafting as it is done unasked, by what was timed last, and once more where a set was picked by its first timing', () => {
    const { header, records } = syntheticJournal({ confirmed: 2 })
    const textWith = (more: readonly JournalRecord[]): string =>
      searchText(searchFigures(header, [...records, ...more]), { columns: 100, blocks: false })
    const [first, second] = records.filter((record) => record.kind === 'confirmed')
    const sure = (median: number): Spread => ({ median, low: median, high: median, count: 16 })
    const unasked = [first!, second!].map((record, i) => ({ ...record, costModel: sure(i === 0 ? 0.875 : 1.125) }))
    assert.match(
      textWith(unasked),
      /^Measured: 1\.125 times plain decoding by skipping .*, the fastest of 2 sets confirmed\.$/m,
    )
    const again = { ...second!, costModel: sure(0.75), again: true }
    assert.match(textWith([...unasked, again]), /^Measured: plain decoding is fastest; of 2 sets confirmed/m)
    const better = { ...again, costModel: sure(1.0625) }
    assert.match(textWith([...unasked, again, better]), /^Measured: 1\.063 times .* of 2 sets confirmed\.$/m)
  })

  it('says which sets changed what is generated, and measures no speed-up by those', () => {
    const { header, records } = syntheticJournal({ confirmed: 1 })
    const wrong = records.map((record) => (record.kind === 'confirmed' ? { ...record, identical: false } : record))
    const text = searchText(searchFigures(header, wrong), { columns: 100, blocks: false })
    assert.match(text, /^NOT IDENTICAL: skipping .* changed what is generated\.$/m)
    assert.doesNotMatch(text, /^Measured/m)
  })

  it('shows names on one line, without control characters', () => {
    const hostile = 'a\u001b[31mb\u202e\r\n  c'
    const text = textOf({ strategies: [hostile], header: { model: hostile, backend: hostile } })
    assert.match(text, /^search +a\[31mb c$/m)
    assert.match(text, /^backend +a\[31mb c$/m)
    assert.match(text, /^a\[31mb c +1 /m)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
    assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u202e]/)
  })

  it('of a search that has evaluated nothing says so', () => {
    const { header } = syntheticJournal()
    assert.match(searchText(searchFigures(header, []), { columns: 80, blocks: true }), /^Nothing was evaluated yet\.$/m)
  })
})
