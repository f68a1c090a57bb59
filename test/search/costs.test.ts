// What drafting costs is told from a few rounds, as a sum over sublayers.
import assert from 'node:assert/strict'
import { loadModel } from 'drafthorse'
import { costsOf, measureCosts, measureRound, pointOf, type SublayerCosts, skipOf } from 'drafthorse/search'
import { folderOf } from '../checkpoints.ts'
import { assertNothingHeld, watched } from '../decode/generations.ts'

const turn = async (): Promise<void> => {}
/** Of the four layers of the tiny checkpoints. */
const costs: SublayerCosts = {
  sublayers: [0.1, 0.12, 0.1, 0.12, 0.1, 0.12, 0.1, 0.12],
  around: 0.1,
  verify: [1, 1.1, 1.2, 1.3, 1.5, 1.6, 1.7],
}

describe('costs of a skip set', () => {
  it('are sums of what the draft runs; the prefix is what stands below the first skipped sublayer', () => {
    const about = costsOf(costs, pointOf('00101100', 8))
    assert.ok(Math.abs(about.draft - (0.1 + 0.1 + 0.12 + 0.12 + 0.1 + 0.12)) < 1e-12)
    assert.ok(Math.abs(about.prefixShare - 0.22) < 1e-12)
    const empty = costsOf(costs, pointOf('00000000', 8))
    assert.ok(Math.abs(empty.prefixShare - 0.88) < 1e-12)
  })

  it('are exact where every op takes as long as any: measured by a clock that counts ops', async () => {
    let ops = 0
    const backend = await watched(() => ops++)
    const model = await loadModel(folderOf('llama2-f32'), { backend })
    const timing = { context: 5, repeats: 2, turn, clock: () => ops }
    const measured = await measureCosts(model, { ...timing, longest: 3 })
    // Attention is 9 ops and an MLP 5; around them stand embed, and norm, product and select of the head.
    const plain = 4 * (9 + 5) + 4
    assert.deepEqual(measured.verify, [1, 1, 1, 1])
    for (const [sublayer, cost] of measured.sublayers.entries()) {
      assert.ok(Math.abs(cost - (sublayer % 2 === 0 ? 9 : 5) / plain) < 1e-9, `${sublayer}: ${cost}`)
    }
    const draftPass = (measured.around + (4 * (9 + 5)) / plain) * plain
    assert.ok(draftPass >= plain && draftPass <= plain + 4, 'what is drafted on the device is embedded row by row')
    for (const key of ['01101001', '11111111']) {
      const about = costsOf(measured, pointOf(key, 8))
      const ratio = await measureRound(model, { skip: skipOf(pointOf(key, 8)), draftLength: 3 }, timing)
      const beyond = (ratio - 3 * about.draft - 1) * plain
      assert.ok(Math.abs(beyond) <= 12, `${key}: ${beyond} ops more than expected, not only those that move rows`)
    }
    assertNothingHeld(model)
    await model.dispose()
  })

  it('are above nothing in all, and no less for a row more, whatever the clock says', async () => {
    await using model = await loadModel(folderOf('llama2-f32'), { backend: 'reference' })
    // Rounds take ever less by this clock, and all of one length the same.
    let [ms, calls] = [0, 0]
    const clock = (): number => (ms += 1 / ++calls)
    const timing = { context: 5, repeats: 1, turn, longest: 2 }
    for (const measured of [
      await measureCosts(model, { ...timing, clock }),
      await measureCosts(model, { ...timing, clock: () => ms++ }),
    ]) {
      assert.ok(measured.sublayers.some((cost) => cost > 0))
      assert.equal(measured.verify[0], 1)
      for (const [i, cost] of measured.verify.entries()) assert.ok(cost >= (measured.verify[i - 1] ?? 1))
    }
  })
})
