// The residual stream over sample tokens of the recorded texts, for strategies that look at hidden states (CLaSp).

import { createTurn } from '../engine/turn.ts'
import { createSequence, type Sequence } from '../model/cache.ts'
import type { Llama } from '../model/llama.ts'
import type { Inside } from './objective.ts'
import type { RecordedText, Recording } from './recording.ts'

/** A row of a recorded text. */
interface Sample {
  readonly text: RecordedText
  /** Its position. */
  readonly at: number
}

/**
 * Looks into the model at `samples` of the rows that decoding drafts from, evenly spread. What comes before a sample is the full
 * model's, as when a draft has just begun.
 */
export function insideOf(model: Llama, recording: Recording, { samples: count }: { samples: number }): Inside {
  const { backend, config } = model
  const samples = spreadOver(recording, count)

  /** Hidden rows `[samples, hiddenSize]` before and after each of these sublayers. */
  async function run(from: number, to: number, given?: readonly Float32Array[]): Promise<Float32Array[][]> {
    const states: Float32Array[][] = Array.from({ length: to - from + 1 }, () => [])
    const turn = createTurn()
    for (let first = 0; first < samples.length; first += backend.capabilities.passRows) {
      await turn()
      const some = samples.slice(first, first + backend.capabilities.passRows)
      const sequences: Sequence[] = []
      const arena = backend.arena()
      const upload = given && joined(given.slice(first, first + some.length), config.hiddenSize)
      const uploaded = upload && backend.upload(upload, { shape: [some.length, config.hiddenSize], dtype: 'f32' })
      try {
        for (const { text, at } of some) {
          sequences.push(createSequence(backend, config, { parent: text.sequence, length: at }))
        }
        const rows = model.rows(
          sequences.map((sequence) => ({ sequence, count: 1 })),
          arena,
        )
        let x =
          uploaded ??
          model.embed(
            Int32Array.from(some, ({ text, at }) => text.ids[at]!),
            rows,
          )
        const all = [x]
        for (let sublayer = from; sublayer < to; sublayer++) {
          x = model.run(x, rows, { from: sublayer, to: sublayer + 1 })
          all.push(x)
        }
        for (const [i, values] of (await backend.read(all)).entries()) {
          const size = config.hiddenSize
          for (let row = 0; row < some.length; row++) {
            states[i]!.push(Float32Array.from(values.subarray(row * size, (row + 1) * size)))
          }
        }
      } finally {
        if (uploaded) backend.free(uploaded)
        arena.release()
        for (const sequence of sequences) sequence.dispose()
      }
    }
    return states
  }

  return {
    states: () => run(0, model.sublayers),
    async run(sublayer, variants) {
      const results: Float32Array[][] = []
      for (const variant of variants) results.push((await run(sublayer, sublayer + 1, variant))[1]!)
      return results
    },
  }
}

/** So many rows of those that are newest in some round, or all where there are fewer. */
function spreadOver({ texts, tokens }: Recording, count: number): Sample[] {
  const all = texts.flatMap((text) =>
    Array.from({ length: text.ids.length - text.promptTokens }, (_, done) => ({
      text,
      at: text.promptTokens - 1 + done,
    })),
  )
  const many = Math.min(count, tokens)
  return Array.from({ length: many }, (_, i) => all[Math.floor(((i + 0.5) * tokens) / many)]!)
}

function joined(rows: readonly Float32Array[], size: number): Float32Array {
  const all = new Float32Array(rows.length * size)
  for (const [i, row] of rows.entries()) all.set(row, i * size)
  return all
}
