// The figures of a small journal, against what was reckoned by hand.
import assert from 'node:assert/strict'
import { fastest, searchFigures } from '../../../cli/report/search-figures.ts'
import type { JournalRecord, PointRecord } from '../../../search/journal.ts'
import { syntheticJournal } from './synthetic-journal.ts'

const { header } = syntheticJournal({ layers: 2, evaluations: 1 })

/** [key, speed-up, draft length, cost of a draft, acceptance] */
const worths: Readonly<Record<string, readonly [number, number, number, number]>> = {
  '0000': [1, 0, 1, 1],
  '0011': [1.2, 2, 0.5, 0.8],
  '0001': [1.1, 1, 0.7, 0.85],
  '0100': [1, 0, 0.7, 0.5],
  '0111': [1.5, 3, 0.3, 0.7],
  '1111': [1, 0, 0.1, 0.1],
}

function search(strategy: string, seed: number, keys: readonly string[]): JournalRecord[] {
  const points = keys.map((key, n): PointRecord => {
    const [speedup, draftLength, draft, acceptance] = worths[key]!
    return { kind: 'point', strategy, seed, n, key, speedup, draftLength, draft, survival: [acceptance, 0], ms: 500 }
  })
  return [{ kind: 'begin', strategy, seed, budget: { evaluations: 9 } }, ...points]
}

const records: JournalRecord[] = [
  ...search('greedy', 2, ['0000', '0001', '0111', '0100']),
  { kind: 'end', strategy: 'greedy', seed: 2, best: '0111', reason: 'budget' },
  ...search('random', 1, ['0000', '1111']),
  ...search('greedy', 1, ['0000', '0011']),
  { kind: 'end', strategy: 'greedy', seed: 1, best: '0011', reason: 'exhausted' },
  {
    kind: 'confirmed',
    key: '0111',
    draftLength: 3,
    plain: { median: 10, low: 9, high: 11, count: 5 },
    drafted: { median: 12, low: 11, high: 13, count: 5 },
    speedup: { median: 1.2, low: 1.1, high: 1.3, count: 5 },
    predicted: 1.5,
    identical: true,
  },
]

describe('the figures of a journal', () => {
  const figures = searchFigures(header, records)
  const [greedy, random] = figures.strategies

  it('have each set once, the fastest first, and count all evaluations', () => {
    assert.equal(figures.evaluations, 8)
    assert.deepEqual(
      figures.sets.map(({ key }) => key),
      ['0111', '0011', '0001', '0000', '0100', '1111'],
    )
    assert.deepEqual(figures.sets[0]!.skip, { attention: [1], mlp: [0, 1] })
    assert.equal(fastest(figures), figures.sets[0])
  })

  it('have strategies in the order of the journal, with their best, their medians, and how they ended', () => {
    assert.deepEqual([greedy!.strategy, random!.strategy, figures.strategies.length], ['greedy', 'random', 2])
    assert.deepEqual(greedy!.seeds, [1, 2])
    assert.deepEqual(greedy!.evaluations, { median: 3, low: 2.5, high: 3.5, count: 2 })
    assert.equal(greedy!.best.key, '0111')
    assert.equal(greedy!.speedup.median, 1.35)
    assert.deepEqual(greedy!.toReach, { median: 2.5, low: 2.25, high: 2.75, count: 2 })
    assert.equal(greedy!.seconds, 3)
    assert.deepEqual(greedy!.ended, { exhausted: 1, budget: 1 })
    assert.deepEqual(random!.ended, { unfinished: 1 })
    assert.deepEqual([random!.best.key, random!.best.draftLength], ['0000', 0])
  })

  it('have the best so far of each evaluation; a search that ended keeps its best', () => {
    assert.deepEqual(
      greedy!.soFar.map(({ evaluation, median, low, high }) => [evaluation, median, low, high]),
      [
        [1, 1, 1, 1],
        [2, 1.15, 1.125, 1.175],
        [3, 1.35, 1.275, 1.425],
        [4, 1.35, 1.275, 1.425],
      ],
    )
  })

  it('have the set that loses least as the best of a strategy that found none that is faster than plain decoding', () => {
    const drafted = { '0000': 1, '0100': 0.7, '1111': 0.8, '0001': 0.75 }
    const points = Object.entries(drafted).map(([key, drafted], n): JournalRecord => {
      return {
        kind: 'point',
        strategy: 'swift',
        seed: 1,
        n,
        key,
        speedup: 1,
        drafted,
        draftLength: 0,
        draft: 0.5,
        survival: [],
        ms: 1,
      }
    })
    const figures = searchFigures(header, points)
    assert.deepEqual([figures.strategies[0]!.best.key, figures.strategies[0]!.speedup.median], ['1111', 1])
    assert.deepEqual(
      figures.sets.map(({ key }) => key),
      ['1111', '0001', '0100', '0000'],
    )
  })

  it('have a Pareto front, which leaves out what is dearer and no better accepted', () => {
    assert.deepEqual(
      figures.front.map(({ key }) => key),
      ['1111', '0111', '0011', '0001', '0000'],
    )
  })

  it('have the fastest tenth of what beats plain decoding, and how far measurement is from prediction', () => {
    assert.deepEqual(figures.bestTenth, { sets: 1, shares: [0, 1, 1, 1] })
    assert.equal(figures.confirmed[0]!.difference.toFixed(12), '-0.200000000000')
  })

  it('have sets that are as fast as the last of the fastest tenth among them, and none where plain decoding is fastest', () => {
    const same = Array.from({ length: 12 }, (_, i): JournalRecord => {
      const key = i.toString(2).padStart(4, '0')
      return {
        kind: 'point',
        strategy: 'random',
        seed: 1,
        n: i,
        key,
        speedup: i < 3 ? 1.5 : 1.2,
        draftLength: 1,
        draft: 0.5,
        survival: [],
        ms: 1,
      }
    })
    assert.deepEqual(searchFigures(header, same).bestTenth, { sets: 3, shares: [0, 0, 1 / 3, 1 / 3] })
    const plain = searchFigures(header, search('random', 1, ['0000', '1111']))
    assert.deepEqual(plain.bestTenth, { sets: 0, shares: [0, 0, 0, 0] })
    assert.equal(fastest(plain), undefined)
  })

  it('are there of a journal that has nothing but a header', () => {
    const { sets, strategies, front } = searchFigures(header, [])
    assert.deepEqual([sets, strategies, front], [[], [], []])
  })
})
