// What is timed is what a call does: also on a backend that puts work off until somebody reads it.
import assert from 'node:assert/strict'
import { type Backend, openBackend, withOps } from 'drafthorse/engine'
import { reference } from 'drafthorse/engine/reference'
import { randomFor } from '../../../engine/conformance/random.ts'
import { type Subject, timeCalls, timedSubjects, weightBytes } from '../../../engine/conformance/subjects.ts'
import { inWorkspace } from '../../../engine/conformance/workspace.ts'
import { expectTfjs, openTfjs } from '../tfjs/peers.ts'

const rows = 2

/** The operations of so many calls and of their read. */
async function operations(backend: Backend, subject: Subject, calls: number): Promise<number> {
  return inWorkspace(backend, async (space) => {
    const prepared = subject.prepare(space, randomFor(1, subject.op), rows)
    await timeCalls(backend, prepared, 1) // makes what is kept
    const before = backend.operations!()
    await timeCalls(backend, prepared, calls)
    return backend.operations!() - before
  })
}

describe('a timed call', () => {
  it('of linear has each shape of a Llama for each type, of attention two contexts, and one of each is typical', () => {
    const subjects = timedSubjects(['f32', 'q8_0'])
    const shapesOf = (wanted: string): string[] => subjects.flatMap(({ op, shape }) => (op === wanted ? [shape] : []))
    for (const dtype of ['f32', 'q8_0']) {
      const shapes = ['[1536, 576]', '[576, 576]', '[192, 576]', '[576, 1536]', '[49152, 576]']
      for (const shape of shapes) assert.ok(shapesOf('linear').some((text) => text.startsWith(`${dtype} ${shape} (`)))
    }
    assert.equal(shapesOf('linear').length, 10)
    assert.equal(shapesOf('attention').length, 2)
    const typical = subjects.flatMap(({ op, dtype, typical }) => (typical ? [`${op} ${dtype}`] : []))
    assert.deepEqual(typical.toSorted(), [...new Set(subjects.map(({ op, dtype }) => `${op} ${dtype}`))].toSorted())
  })

  // The largest is as the others, and takes its time.
  for (const subject of timedSubjects(['f32']).filter((each) => (weightBytes(each) ?? 0) < 2 ** 25)) {
    it(`of ${subject.op} ${subject.shape} is computed each time, also where work is put off`, async function () {
      await expectTfjs(this, 'tfjs:cpu')
      const backend = await openTfjs('tfjs:cpu')
      try {
        const [two, five, eight] = [
          await operations(backend, subject, 2),
          await operations(backend, subject, 5),
          await operations(backend, subject, 8),
        ]
        assert.ok(five - two >= 3, `three calls more took ${five - two} operations more`)
        assert.equal(eight - five, five - two)
        if (subject.op === 'select') assert.ok(five - two >= 3 * 8, 'the scores are computed with each')
      } finally {
        await backend.dispose()
      }
    })

    it(`of ${subject.op} ${subject.shape} is seen in what is read`, async () => {
      const seen = async (backend: Backend): Promise<unknown> => {
        const read = await inWorkspace(backend, async (space) => {
          const prepared = subject.prepare(space, randomFor(1, subject.op), rows)
          prepared.record(0)
          return backend.read(prepared.results(1))
        })
        await backend.dispose()
        return read
      }
      const idle = withOps(reference, { [subject.op]: () => {} })
      assert.notDeepEqual(await seen(await openBackend('reference')), await seen(await openBackend(idle)))
    })
  }
})
