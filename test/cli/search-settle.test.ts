// How a search ends, by timings that are made up: what is timed, how often, and what is chosen.
import assert from 'node:assert/strict'
import { loadModel } from 'drafthorse'
import { settle } from '../../cli/search/settle.ts'
import type { ConfirmedRecord, JournalRecord } from '../../search/journal.ts'
import type { Found } from '../../search/memory.ts'
import type { Evaluation } from '../../search/objective.ts'
import { pointOf, skipOf } from '../../search/space.ts'
import { folderOf } from '../checkpoints.ts'

const found = (key: string, speedup: number): Found => {
  return { key, point: pointOf(key, key.length), speedup, draftLength: 2, survival: [0.75], draft: 0.5 }
}
const [first, second] = [found('00110011', 1.5), found('01100110', 1.25)]
/** The model has it, and it is not expected to pay. */
const own = '11000000'

describe('the end of a search', () => {
  /** What is timed in each turn, what is journalled, and what is chosen, where sets are so fast in each turn. */
  async function settled(...turns: readonly Readonly<Record<string, number>>[]) {
    await using model = await loadModel(folderOf('qwen2'), { backend: 'reference', dtype: 'f32' })
    const skip = skipOf(pointOf(own, own.length))
    const timed: (readonly string[])[] = []
    const journal: JournalRecord[] = []
    const poor: Evaluation = { speedup: 1, draftLength: 0, survival: [0.25], draft: 0.5 }
    const objective = { id: 'made up', sublayers: 8, costs: [], evaluate: async () => [poor] }
    const result = await settle(
      { interrupted: false, searches: [], found: [first, second] },
      {
        model: Object.create(model, { skip: { value: skip } }), // it reads no tokenizer, as copies do
        subject: {
          objective,
          costs: { sublayers: [], around: 0, verify: [1] },
          recording: { texts: [], tokens: 0, dispose() {} },
          [Symbol.dispose]() {},
        },
        log: { records: [], append: async (record) => void journal.push(record) },
        status: { columns: 80, show() {}, [Symbol.dispose]() {} },
        signal: new AbortController().signal,
        most: 2,
        confirm: async (_, { sets, again }) => {
          const turn = turns[timed.length]!
          timed.push(sets.map(({ key }) => key))
          return sets.map(({ key, draftLength, speedup: predicted }): ConfirmedRecord => {
            const [spread, costModel] = [3, turn[key]!].map((median) => ({
              median,
              low: median,
              high: median,
              count: 9,
            }))
            const figures = { plain: spread!, drafted: spread!, speedup: spread!, costModel: costModel! }
            return {
              kind: 'confirmed',
              key,
              draftLength,
              ...figures,
              predicted,
              identical: true,
              ...(again && { again }),
            }
          })
        },
      },
    )
    assert.deepEqual(journal, result.confirmed)
    const { end } = result
    const chosen = end.kind === 'set' ? end.chosen : undefined
    return { timed, kind: end.kind, key: chosen?.confirmed?.key, median: chosen?.confirmed?.costModel?.median }
  }
  const all = [first.key, second.key, own]

  it('times the fastest once more beside what the model has, and keeps what is faster then', async () => {
    const before = { [first.key]: 1.25, [second.key]: 1.5, [own]: 0.875 }
    const again = [second.key, own]
    assert.deepEqual(await settled(before, { [second.key]: 1.125, [own]: 0.875 }), {
      timed: [all, again],
      kind: 'set',
      key: second.key,
      median: 1.125,
    })
    const { key, median } = await settled(before, { [second.key]: 1.125, [own]: 1.25 })
    assert.deepEqual([key, median], [own, 1.25])
    const lucky = await settled(before, { [second.key]: 0.9375, [own]: 0.875 })
    assert.deepEqual([lucky.kind, lucky.timed], ['plain', [all, again]])
  })

  it('times nothing once more where plain decoding was fastest, whatever the length that is not used unasked brings', async () => {
    const { kind, timed } = await settled({ [first.key]: 0.875, [second.key]: 0.75, [own]: 0.75 })
    assert.deepEqual([kind, timed], ['plain', [all]])
  })
})
