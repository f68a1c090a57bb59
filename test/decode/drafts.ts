// Drafts of every kind, for what must hold with each of them, on models of four layers.
import type { SkipSet } from 'drafthorse'
import {
  cascade,
  type DraftRound,
  type GenerateOptions,
  promptLookup,
  type SingleDraft,
  skipLayers,
  threshold,
} from 'drafthorse/decode'
import type { Llama, Model, Sequence } from 'drafthorse/model'
import { skipping } from './generations.ts'

/** A draft that guesses for nothing. */
export function guessing(
  name: string,
  guess: (history: readonly number[], limit: number) => readonly number[],
): SingleDraft {
  return { name, start: () => ({ guess: (history, limit) => ({ tokens: guess(history, limit) }) }) }
}

/** A draft that is asked in its turn, and may run the model. */
export function proposingIds(
  name: string,
  propose: (round: DraftRound, model: Llama) => readonly number[],
): SingleDraft {
  return {
    name,
    start: (model) => ({ propose: async (round) => ({ tokens: propose(round, model), passes: 0, sublayersRun: 0 }) }),
  }
}

/** Copies the last three tokens, and has nothing after every third token. */
export const echo: SingleDraft = guessing('echo', (history, limit) =>
  history.length % 3 === 0 ? [] : history.slice(-3).slice(0, limit),
)

export const someSkipped: SkipSet = { attention: [1, 2], mlp: [1] }

const drafted = { draft: 'skip', skip: someSkipped, draftLength: 4 } as const

/** One of each kind. */
export const everyDraft: Readonly<Record<string, GenerateOptions>> = {
  skip: drafted,
  'skip by a threshold': { ...drafted, draftLength: threshold({ confidence: 0.005, most: 5 }) },
  'skip without reuse of the prefix': { ...drafted, reusePrefix: false },
  'skip with a part of the vocabulary': { ...drafted, draftVocabulary: 90 },
  'early exit': { draft: 'skip', exitLayer: 3, draftLength: 3 },
  lookup: { draft: 'lookup', draftLength: 6 },
  cascade: { ...drafted, draft: 'cascade' },
  auto: { skip: someSkipped, draftLength: 5 },
  'auto without a skip set': { draftLength: 5 },
  'one’s own': { draft: echo, draftLength: 3 },
  'several of one’s own': {
    draft: cascade(
      echo,
      proposingIds('shy', () => []),
      { ...promptLookup({ shortest: 2 }), name: 'strict lookup' },
      { ...skipLayers(skipping([3], 'mlp')), name: 'good' },
      skipLayers(someSkipped),
    ),
    draftLength: 3,
  },
}

/** Logits of three more rows after what a sequence holds: they read all of its cache. */
export async function logitsAfter(model: Model, sequence: Sequence): Promise<Float32Array> {
  const arena = model.backend.arena()
  try {
    const rows = model.rows([{ sequence, count: 3 }], arena)
    const [logits] = await model.backend.read([
      model.head(model.run(model.embed(Int32Array.of(5, 6, 7), rows), rows), rows),
    ])
    return logits as Float32Array // logits are f32
  } finally {
    arena.release()
  }
}
