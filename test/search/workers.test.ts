// Workers: what several processes find is what one finds; those that end are replaced, or the search fails and says so.
import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startWorkers, type Workers } from '../../cli/search/workers.ts'
import { AbortError } from '../../engine/errors.ts'
import type { JournalRecord } from '../../search/journal.ts'
import { runSearch } from '../../search/run.ts'
import type { Point } from '../../search/space.ts'
import { fails } from '../model/load/fixtures.ts'
import { skipUnlessPossible } from '../skip.ts'
import { climber, hills } from './hills.ts'
import type { HillsBegin } from './hills-worker.ts'

const sublayers = 8
const start = (begin: Partial<HillsBegin> = {}, signal?: AbortSignal): Promise<Workers> =>
  startWorkers({
    count: 2,
    script: new URL('./hills-worker.ts', import.meta.url),
    begin: { sublayers, ...begin },
    objective: hills(sublayers),
    signal,
  })

/** All that a search journals, but for times. */
async function journalOf(objective: Parameters<typeof runSearch>[0], width: number): Promise<JournalRecord[]> {
  const records: JournalRecord[] = []
  const log = { records: [], append: async (record: JournalRecord) => void records.push(record) }
  await runSearch(objective, { strategies: [climber()], seed: 4, budget: { evaluations: 30 }, width, log })
  return records.map((record) => (record.kind === 'point' ? { ...record, ms: 0 } : record))
}

describe('workers of a search', function () {
  this.timeout(60_000)
  // One of the points that all searches start from.
  const endsAt = '11111111'

  it('find what one process finds, in the same order', async () => {
    await using workers = await start()
    assert.deepEqual(await journalOf(workers, 2), await journalOf(hills(sublayers), 1))
  })

  it('are replaced where one ends, and its point is evaluated by another', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    try {
      await using workers = await start({ endsAt, once: join(folder, 'ended') })
      assert.deepEqual(await journalOf(workers, 2), await journalOf(hills(sublayers), 1))
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it('fail the search where a point ends every worker, where one fails, and where none starts', async () => {
    {
      await using workers = await start({ endsAt })
      const second = /a second worker of the search ended by SIGKILL, both while they evaluated 11111111/
      await fails(() => journalOf(workers, 2), 'ERR_BACKEND_CRASHED', second)
      await fails(() => journalOf(workers, 2), 'ERR_BACKEND_CRASHED', second)
    }
    {
      await using workers = await start({ failsAt: endsAt })
      await fails(
        () => journalOf(workers, 2),
        'ERR_BACKEND_CRASHED',
        /a worker of the search failed: numbers that are none/,
      )
    }
    const early = /a worker of the search ended with code 7: no memory for a worker, before it was ready/
    await fails(() => start({ endsAtStart: true }), 'ERR_BACKEND_CRASHED', early)
    await fails(
      () => start({ id: 'valleys' }),
      'ERR_ARGUMENT',
      /the objective of a worker is valleys, and that of .* hills/,
    )
  })

  it('end with the process that asks, and not by a Ctrl-C of their own', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child Ctrl-C')
    const child = fork(new URL('./hills-worker.ts', import.meta.url))
    child.send({ begin: { sublayers } })
    assert.deepEqual(await once(child, 'message'), [{ ready: 'hills' }, undefined])
    child.kill('SIGINT')
    child.send({ key: endsAt })
    const [{ key, evaluation }] = await once(child, 'message')
    assert.deepEqual([key, [evaluation]], [endsAt, await hills(sublayers).evaluate([new Array(sublayers).fill(true)])])
    const ended = once(child, 'exit')
    child.disconnect()
    assert.deepEqual(await ended, [0, null])
  })

  it('end with the signal, however far they are', async () => {
    await assert.rejects(() => start({}, AbortSignal.abort()), AbortError)
    const controller = new AbortController()
    await using workers = await start({}, controller.signal)
    const told = workers.evaluate(new Array<Point>(3).fill(new Array<boolean>(sublayers).fill(true)))
    controller.abort()
    await assert.rejects(told, AbortError)
  })
})
