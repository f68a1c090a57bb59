// The modelled objective: a point is worth what the rounds of decoding say; and the runs that confirm it.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import { ArgumentError } from 'drafthorse/engine'
import {
  confirm,
  costsOf,
  exits,
  flipped,
  keyOf,
  modelledObjective,
  objectiveId,
  pointOf,
  type Recording,
  record,
  type SublayerCosts,
  skipOf,
} from 'drafthorse/search'
import { roundCost } from '../../search/attainable.ts'
import { folderOf } from '../checkpoints.ts'
import { assertNothingHeld, skipping } from '../decode/generations.ts'

const prompts = [
  [3, 4, 5, 3, 4, 5, 3, 4],
  [300, 7],
  [168, 102, 252],
]
const maxNewTokens = 24
/** Of the four layers of the tiny checkpoints. */
const costs: SublayerCosts = {
  sublayers: [0.1, 0.12, 0.1, 0.12, 0.1, 0.12, 0.1, 0.12],
  around: 0.1,
  verify: [1, 1.1, 1.2, 1.3, 1.5, 1.6, 1.7],
}
const longest = costs.verify.length - 1

describe('the modelled objective', () => {
  let model: Model
  let recording: Recording
  before(async () => {
    model = await loadModel(folderOf('llama2-f32'), { backend: 'wasm', threads: 2 })
    recording = await record(model, { prompts, maxNewTokens })
  })
  after(async () => {
    recording.dispose()
    assertNothingHeld(model)
    await model.dispose()
  })

  it('is the speed-up of the rounds that generation makes, at the best length', async () => {
    const objective = modelledObjective(model, { recording, costs })
    for (const key of ['00000011', '01010000', '10101010', '11111111', '00100110']) {
      const point = pointOf(key, 8)
      const [evaluation] = await objective.evaluate([point])
      const about = costsOf(costs, point)
      const speedups = [1]
      for (let draftLength = 1; draftLength <= longest; draftLength++) {
        let [tokens, cost] = [0, 0]
        for (const prompt of prompts) {
          await generate(model, prompt, {
            maxNewTokens,
            draft: 'skip',
            skip: skipOf(point),
            draftLength,
            onRound({ drafted: { length: k }, tokens: kept }) {
              tokens += kept.length
              const f = k > 0 ? about.prefixShare : 0
              cost += k * about.draft + f + (1 - f) * costs.verify[k]!
            },
          }).result
        }
        speedups.push(tokens / cost)
      }
      const best = Math.max(...speedups)
      assert.ok(Math.abs(evaluation!.speedup - best) < 1e-9, `${key}: ${evaluation!.speedup}, expected ${best}`)
      assert.equal(evaluation!.draftLength, speedups.indexOf(best))
      assert.ok(evaluation!.survival.every((share, i, all) => share >= 0 && share <= (all[i - 1] ?? 1)))
    }
  })

  it('says the same of a point each time, alone or among others, and keeps no memory', async () => {
    const objective = modelledObjective(model, { recording, costs })
    const points = [...exits(8), pointOf('01100110', 8)]
    const before = model.backend.memory()
    const together = await objective.evaluate(points)
    for (const [i, point] of points.entries()) {
      assert.deepEqual(await objective.evaluate([point]), [together[i]], keyOf(point))
    }
    assert.deepEqual(model.backend.memory(), before)
  })

  it('runs nothing for a set that could not pay if every token stood', async () => {
    const dear = { ...costs, around: 1 }
    const broken = { ...recording, texts: [] } // whoever looks at the texts finds none
    const objective = modelledObjective(model, { recording: broken, costs: dear })
    const point = flipped(pointOf('00000000', 8), 0)
    const [evaluation] = await objective.evaluate([point])
    const about = costsOf(dear, point)
    const whole = dear.verify.slice(1).map((_, i) => {
      return (i + 2) / roundCost({ drafted: i + 1, accepted: i + 1, draftPasses: i + 1 }, about)
    })
    const drafted = Math.max(...whole)
    assert.ok(drafted < 1)
    assert.deepEqual(evaluation, { speedup: 1, drafted, draftLength: 0, survival: [], draft: about.draft })
  })

  it('stops when it is told to, and refuses costs of another model', async () => {
    const objective = modelledObjective(model, { recording, costs })
    const stopped = AbortSignal.abort()
    await assert.rejects(objective.evaluate([pointOf('00001111', 8)], stopped), { code: 'ERR_ABORTED' })
    assert.throws(() => modelledObjective(model, { recording, costs: { ...costs, sublayers: [1] } }), ArgumentError)
  })

  it('has an id of the texts and the lengths, and none of the costs', () => {
    const { id } = modelledObjective(model, { recording, costs })
    assert.equal(modelledObjective(model, { recording, costs: { ...costs, around: 0.2 } }).id, id)
    assert.notEqual(modelledObjective(model, { recording, costs, longest: 3 }).id, id)
    const fewer = { ...recording, texts: recording.texts.slice(1) }
    assert.notEqual(objectiveId(model, { recording: fewer, longest }), id)
  })

  it('shows the states of the full model, and sublayers on other states', async () => {
    const inside = modelledObjective(model, { recording, costs, samples: 7 }).inside!
    const states = await inside.states()
    assert.deepEqual([states.length, states[0]!.length], [9, 7])
    for (let sublayer = 0; sublayer < 8; sublayer++) {
      const [same, other] = await inside.run(sublayer, [states[sublayer]!, states[0]!])
      assert.deepEqual(same, states[sublayer + 1], 'given its own states, a sublayer does what it did')
      if (sublayer > 0) assert.notDeepEqual(other, same)
    }
    const { texts } = recording
    const row = texts.flatMap(({ ids, promptTokens }) => ids.slice(promptTokens - 1, -1))[
      Math.floor(recording.tokens / 14)
    ]!
    const arena = model.backend.arena()
    const sequence = model.createSequence()
    const rows = model.rows([{ sequence, count: 1 }], arena)
    const [embedded] = await model.backend.read([model.embed(Int32Array.of(row), rows)])
    arena.release()
    sequence.dispose()
    assert.deepEqual(states[0]![0], embedded)
  })

  it('confirms by texts that are those of plain decoding', async () => {
    let now = 0
    const candidates = [
      { skip: skipping([2, 3]), draftLength: 2, speedup: 1.5 },
      { skip: skipping([]), draftLength: 0, speedup: 1 },
    ]
    const confirmed = await confirm(model, { recording, candidates, repeats: 1, clock: () => now++ })
    assert.deepEqual(
      confirmed.map(({ candidate }) => candidate),
      candidates,
    )
    for (const { fixed, costModel, error, candidate } of confirmed) {
      assert.ok(fixed.identical && costModel.identical)
      assert.equal(fixed.speedup.count, prompts.length)
      assert.equal(error, candidate.speedup / fixed.speedup.median - 1)
    }
    const [, plainly] = confirmed
    assert.equal(plainly!.fixed.speedup.median, 1, 'plain decoding beside itself, by a clock that counts')
    const other = recording.texts.map((text) => ({ ...text, ids: text.ids.with(-1, 1 + text.ids.at(-1)!) }))
    const [wrong] = await confirm(model, { recording: { ...recording, texts: other }, candidates, repeats: 1 })
    assert.equal(wrong!.fixed.identical, false)
  })
})
