// Searches: what strategies share, how they end, and that one which goes on goes the way of one that was never disturbed.
import assert from 'node:assert/strict'
import { AbortError } from '../../engine/errors.ts'
import type { JournalRecord, PointRecord } from '../../search/journal.ts'
import type { SearchLog } from '../../search/ledger.ts'
import { runSearch } from '../../search/run.ts'
import { keyOf } from '../../search/space.ts'
import { initialPoints } from '../../search/strategies/index.ts'
import type { Strategy } from '../../search/strategies/strategy.ts'
import { fails } from '../model/load/fixtures.ts'
import { climber, hills } from './hills.ts'

interface Kept extends SearchLog {
  readonly records: JournalRecord[]
}

/** A journal in memory, which takes so many records and then fails. */
function log(records: readonly JournalRecord[] = [], room = Number.POSITIVE_INFINITY): Kept {
  const all = [...records]
  return {
    records: all,
    async append(record) {
      if (room-- <= 0) throw new Error('killed')
      // What a file gives back is what was written, not the same objects.
      all.push(JSON.parse(JSON.stringify(record)))
    },
  }
}

const points = (records: readonly JournalRecord[], strategy: string): PointRecord[] =>
  records.filter((record): record is PointRecord => record.kind === 'point' && record.strategy === strategy)

/** Without times, which differ from run to run. */
const way = (records: readonly JournalRecord[], strategy = 'climber'): string[] =>
  points(records, strategy).map(({ n, key, speedup }) => `${n} ${key} ${speedup}`)

const settings = { strategies: [climber()], seed: 3, budget: { evaluations: 40 } }

/** Asks for nothing but the given points, each time alone. */
const list = (name: string, keys: readonly string[]): Strategy => ({
  name,
  async *start() {
    for (const key of keys) yield [[...key].map((digit) => digit === '1')]
  },
})

describe('runSearch', () => {
  it('charges a strategy for each point once, in order, and ends with its budget and the first of the best', async () => {
    const objective = hills()
    const journal = log()
    const { searches, found, interrupted } = await runSearch(objective, { ...settings, log: journal })
    const charged = points(journal.records, 'climber')
    assert.deepEqual(
      charged.map(({ n }) => n),
      Array.from({ length: 40 }, (_, n) => n),
    )
    assert.equal(new Set(charged.map(({ key }) => key)).size, 40)
    assert.deepEqual(
      objective.evaluated,
      charged.map(({ key }) => key),
    )
    const best = charged.toSorted((a, b) => b.speedup - a.speedup)[0]!
    assert.deepEqual([searches.length, searches[0]!.reason, searches[0]!.best?.key], [1, 'budget', best.key])
    assert.deepEqual([interrupted, found[0]!.key, found.length], [false, best.key, 40])
    assert.deepEqual(journal.records[0], { kind: 'begin', strategy: 'climber', seed: 3, budget: { evaluations: 40 } })
    assert.deepEqual(journal.records.at(-1), {
      kind: 'end',
      strategy: 'climber',
      seed: 3,
      best: best.key,
      reason: 'budget',
    })
  })

  it('begins with nothing skipped and early exits, which strategies are told of', async () => {
    const told: string[] = []
    const strategy: Strategy = {
      name: 'asks nothing',
      async *start({ known, budget, sublayers, costs }) {
        told.push(
          ...known.map(({ point, value }) => `${keyOf(point)} ${value}`),
          `${budget} ${sublayers} ${costs.length}`,
        )
      },
    }
    const { searches, found } = await runSearch(hills(), {
      ...settings,
      strategies: [strategy],
      budget: { evaluations: 10 },
    })
    assert.equal(searches[0]!.reason, 'exhausted')
    assert.deepEqual(told, [...searches[0]!.found.map(({ key, drafted }) => `${key} ${drafted}`), '10 8 8'])
    const begin = found.map(({ point }) => keyOf(point))
    assert.deepEqual(begin.toSorted(), initialPoints(8, 10).map(keyOf).toSorted())
    const one = await runSearch(hills(), { ...settings, budget: { evaluations: 1 } })
    assert.deepEqual(
      one.found.map(({ key }) => key),
      ['00000000'],
    )
  })

  it('goes on after any record as if nothing had been, and evaluates nothing again', async () => {
    const undisturbed = log()
    const { searches } = await runSearch(hills(), { ...settings, log: undisturbed })
    for (let room = 0; room < undisturbed.records.length; room++) {
      const killed = log([], room)
      await assert.rejects(() => runSearch(hills(), { ...settings, log: killed }), /killed/)
      const again = log(killed.records)
      const objective = hills()
      const outcome = await runSearch(objective, { ...settings, log: again })
      assert.deepEqual(way(again.records), way(undisturbed.records), `killed at record ${room}`)
      assert.equal(outcome.searches[0]!.best?.key, searches[0]!.best?.key)
      assert.equal(objective.evaluated.length, 40 - way(killed.records).length)
    }
  })

  it('goes the same way with several evaluations at a time, which end in any order', async () => {
    const plain = log()
    await runSearch(hills(), { ...settings, log: plain })
    const wide = log()
    const { evaluate, ...rest } = hills()
    let most = 0
    const pending: (() => void)[] = []
    const objective = {
      ...rest,
      async evaluate(asked: Parameters<typeof evaluate>[0]) {
        await new Promise<void>((resolve) => {
          pending.push(resolve)
          most = Math.max(most, pending.length)
          // The last that was begun ends first, once the loop has nothing more to begin.
          setImmediate(() => pending.pop()?.())
        })
        return evaluate(asked)
      },
    }
    await runSearch(objective, { ...settings, log: wide, width: 3 })
    assert.equal(most, 3)
    assert.deepEqual(way(wide.records), way(plain.records))
  })

  it('lets strategies share what is known, at equal budgets', async () => {
    const objective = hills()
    const journal = log()
    const strategies = [climber('first'), climber('second')]
    const { searches, found } = await runSearch(objective, { ...settings, strategies, log: journal })
    assert.deepEqual(
      searches.map((of) => of.found.length),
      [40, 40],
    )
    assert.equal(new Set(objective.evaluated).size, objective.evaluated.length)
    assert.equal(objective.evaluated.length, found.length)
    const second = points(journal.records, 'second')
    const before = new Set(points(journal.records, 'first').map(({ key }) => key))
    for (const { key, ms } of second) if (before.has(key)) assert.equal(ms, 0)
    assert.ok(second.filter(({ key }) => before.has(key)).length >= 5)
    const alone = log()
    await runSearch(hills(), { ...settings, strategies: [climber('second')], log: alone })
    assert.deepEqual(way(journal.records, 'second'), way(alone.records, 'second'))
  })

  it('is done where the journal says so, and goes on where the budget has grown', async () => {
    const journal = log()
    const { searches } = await runSearch(hills(), { ...settings, log: journal })
    const length = journal.records.length
    const done = hills()
    const again = await runSearch(done, { ...settings, log: journal })
    assert.deepEqual(again.searches, searches)
    assert.deepEqual([done.evaluated.length, journal.records.length], [0, length])
    const more = hills()
    await runSearch(more, { ...settings, budget: { evaluations: 50 }, log: journal })
    assert.equal(more.evaluated.length, 10)
    assert.deepEqual(
      points(journal.records, 'climber').map(({ n }) => n),
      Array.from({ length: 50 }, (_, n) => n),
    )
    assert.equal(new Set(way(journal.records).map((line) => line.split(' ')[1])).size, 50)
  })

  it('ends a strategy that asks for nothing new', async () => {
    let yields = 0
    const stubborn: Strategy = {
      name: 'stubborn',
      async *start({ known }) {
        for (;;) {
          yields++
          yield [known[0]!.point]
        }
      },
    }
    const { searches } = await runSearch(hills(), { ...settings, strategies: [stubborn] })
    assert.deepEqual([searches[0]!.reason, yields], ['exhausted', 1000])
    const nothing: Strategy = {
      name: 'nothing',
      async *start() {
        for (;;) yield []
      },
    }
    const { searches: of } = await runSearch(hills(), { ...settings, strategies: [nothing] })
    assert.equal(of[0]!.reason, 'exhausted')
    const few = await runSearch(hills(2), settings) // of two sublayers there are four points
    assert.deepEqual([few.searches[0]!.reason, few.found.length], ['exhausted', 4])
  })

  it('ends by the seconds that evaluating and choosing took, also of earlier runs', async () => {
    const run = (objective: ReturnType<typeof hills>, journal: Kept, seconds: number) => {
      let ms = 0
      const slow = {
        ...objective,
        evaluate: async (asked: Parameters<typeof objective.evaluate>[0]) => {
          ms += 500
          return objective.evaluate(asked)
        },
      }
      return runSearch(slow, { ...settings, budget: { seconds }, log: journal, clock: () => ms })
    }
    const journal = log()
    const { searches } = await run(hills(), journal, 10)
    assert.deepEqual([searches[0]!.reason, searches[0]!.found.length], ['budget', 20])
    assert.ok(points(journal.records, 'climber').every(({ ms }) => ms === 500))
    const more = hills()
    await run(more, journal, 12)
    assert.equal(more.evaluated.length, 4)
    const killed = log(journal.records.slice(0, 8))
    const rest = hills()
    await run(rest, killed, 10)
    assert.deepEqual([rest.evaluated.length, way(killed.records)], [13, way(journal.records).slice(0, 20)])
  })

  it('tells strategies with a budget of seconds how many evaluations that will be', async () => {
    let ms = 0
    const objective = hills()
    const slow = {
      ...objective,
      evaluate: async (asked: Parameters<typeof objective.evaluate>[0]) => {
        ms += 250
        return objective.evaluate(asked)
      },
    }
    const budgets: number[] = []
    const strategy: Strategy = {
      name: 'listens',
      async *start({ budget }) {
        budgets.push(budget)
        yield []
        return
      },
    }
    for (const budget of [{ seconds: 10 }, { seconds: 10, evaluations: 30 }, { evaluations: 50 }]) {
      await runSearch(slow, { ...settings, strategies: [strategy], budget, clock: () => ms })
    }
    assert.deepEqual(budgets, [40, 30, 50])
    // The first sets are mostly cheap, and what comes later is as dear as the dearest of them.
    const mixed = {
      ...objective,
      evaluate: async (asked: Parameters<typeof objective.evaluate>[0]) => {
        ms += asked[0]!.filter(Boolean).length === 4 ? 1000 : 100
        return objective.evaluate(asked)
      },
    }
    const first = initialPoints(8, 60).length
    const budget = { seconds: 0.1 * (first - 1) + 1 + 20 }
    await runSearch(mixed, { ...settings, strategies: [strategy], budget, clock: () => ms })
    assert.equal(budgets.at(-1), first + 20)
  })

  it('gives strategies a turn that ends them where the search is interrupted', async () => {
    const controller = new AbortController()
    const thinker: Strategy = {
      name: 'thinker',
      async *start({ known, turn }) {
        controller.abort()
        await turn?.()
        yield [known[0]!.point.map(() => true)]
      },
    }
    const { searches } = await runSearch(hills(), { ...settings, strategies: [thinker], signal: controller.signal })
    assert.deepEqual([searches[0]!.reason, searches[0]!.found.length], ['interrupted', initialPoints(8, 40).length])
  })

  it('gives what it has where it is interrupted, and goes on from there', async () => {
    const controller = new AbortController()
    const { evaluate, ...rest } = hills()
    let left = 12
    const objective = {
      ...rest,
      async evaluate(asked: Parameters<typeof evaluate>[0], signal?: AbortSignal) {
        if (left-- === 0) controller.abort()
        if (signal?.aborted) throw new AbortError('stopped')
        return evaluate(asked)
      },
    }
    const journal = log()
    const strategies = [climber(), climber('never begun')]
    const stopped = await runSearch(objective, { ...settings, strategies, log: journal, signal: controller.signal })
    assert.deepEqual([stopped.interrupted, stopped.searches.length, stopped.found.length], [true, 1, 12])
    assert.equal(journal.records.at(-1)?.kind, 'end')
    const undisturbed = log()
    await runSearch(hills(), { ...settings, log: undisturbed })
    await runSearch(hills(), { ...settings, log: journal })
    assert.deepEqual(way(journal.records), way(undisturbed.records))

    const before = await runSearch(hills(), { ...settings, signal: AbortSignal.abort() })
    assert.deepEqual([before.interrupted, before.found, before.searches[0]!.best], [true, [], undefined])
  })

  it('closes a strategy however its search ends', async () => {
    let closed = 0
    const strategy: Strategy = {
      name: 'careful',
      async *start({ known }) {
        try {
          for (const { point } of known) yield [point.map((skipped) => !skipped)]
        } finally {
          closed++
        }
      },
    }
    await runSearch(hills(), { ...settings, strategies: [strategy] })
    await runSearch(hills(), { ...settings, strategies: [strategy], budget: { evaluations: 10 } })
    const failing = { ...hills(), evaluate: async () => Promise.reject(new Error('broken')) }
    const known = log((await recordsOf(strategy)).filter((record) => record.kind !== 'point' || record.n < 5))
    await assert.rejects(() => runSearch(failing, { ...settings, strategies: [strategy], log: known }), /broken/)
    assert.equal(closed, 4)
  })

  async function recordsOf(strategy: Strategy): Promise<readonly JournalRecord[]> {
    const journal = log()
    await runSearch(hills(), { ...settings, strategies: [strategy], log: journal })
    return journal.records.filter(({ kind }) => kind !== 'end')
  }

  it('tells of each evaluation: the best of the search and of all, and what is used of the budget', async () => {
    const events: string[] = []
    const strategies = [list('one', ['10000000']), list('two', ['01000000'])]
    const budget = { evaluations: 60 }
    const { searches } = await runSearch(hills(), {
      ...settings,
      strategies,
      budget,
      onEvaluation({ record, best, bestOfAll, used }) {
        assert.ok(bestOfAll.speedup >= best.speedup && best.speedup >= record.speedup)
        events.push(`${record.strategy} ${used.evaluations}`)
      },
    })
    assert.deepEqual(
      events,
      [1, 2, 3, 4, 5, 6].map((n) => `one ${n}`).concat([1, 2, 3, 4, 5, 6].map((n) => `two ${n}`)),
    )
    assert.deepEqual(
      searches.map(({ reason }) => reason),
      ['exhausted', 'exhausted'],
    )
  })

  it('refuses budgets of nothing, seeds that are none, points of another model and figures that are none', async () => {
    const wrong = (changed: Partial<Parameters<typeof runSearch>[1]>, message: RegExp): Promise<void> =>
      fails(() => runSearch(hills(), { ...settings, ...changed }), 'ERR_ARGUMENT', message)
    await wrong({ budget: {} }, /no budget/)
    await wrong({ budget: { evaluations: 0 } }, /0 evaluations, expected a whole number from 1/)
    await wrong({ budget: { evaluations: 2.5 } }, /2\.5 evaluations/)
    await wrong({ budget: { seconds: 0 } }, /0 seconds, expected a number above 0/)
    await wrong({ budget: { seconds: Number.NaN } }, /NaN seconds/)
    await wrong({ seed: -1 }, /seed is -1/)
    await wrong({ width: 0 }, /width is 0/)
    await wrong({ strategies: [list('short', ['01'])] }, /short asked for a point of 2 sublayers; expected 8/)
    const mad = { ...hills(), evaluate: async () => [{ speedup: Number.NaN, draftLength: 1, survival: [], draft: 1 }] }
    await fails(() => runSearch(mad, settings), 'ERR_NUMERIC', /speed-up of 00000000 is NaN/)
  })
})
