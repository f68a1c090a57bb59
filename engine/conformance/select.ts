// Cases of `select`: the winner, the lowest on ties, its logit and the log-sum-exp, with and without noise.

import { accuracyCase, type Check } from './accuracy.ts'
import type { Case, CaseSettings } from './case.ts'
import { baseRows, rowCases } from './invariance.ts'
import * as oracle from './oracle.ts'
import { floats } from './random.ts'
import type { Workspace } from './workspace.ts'

interface Input {
  readonly rows: number
  readonly vocabulary: number
  readonly noise?: true
}

const inputs: readonly Input[] = [
  { rows: 1, vocabulary: 1 },
  { rows: 3, vocabulary: 3 },
  { rows: 2, vocabulary: 5, noise: true },
  { rows: 5, vocabulary: 33 },
  { rows: 9, vocabulary: 65, noise: true },
  { rows: 4, vocabulary: 257 },
  { rows: 1, vocabulary: 4096 },
  { rows: 3, vocabulary: 4099 },
  { rows: 5, vocabulary: 4099, noise: true },
  { rows: 2, vocabulary: 49152 },
]

/** Logits that are hard, made from bell-shaped ones: the value at `i` of `size` in one of four rows. */
const hard: Readonly<Record<string, (value: number, at: { row: number; i: number; size: number }) => number>> = {
  'from -80 to 80': (value) => value * 25,
  'around 10000 and -10000': (value, { row }) => value + (row % 2 === 0 ? 1e4 : -1e4),
  'around -1e30': (value) => (value - 5) * 1e30,
  'all equal': (_, { row }) => row - 1.5,
  'with the highest several times': (value, { row, i, size }) => {
    const last = size - 1
    const ties = [
      [0, last],
      [1, 2],
      [Math.floor(last / 2), last],
      [31, 32, 63, 64],
    ][row]
    return ties?.includes(i) ? 9.5 : value
  },
}

export function selectCases(settings: CaseSettings): Case[] {
  return [
    ...inputs.map(({ rows, vocabulary, noise }) => {
      const name = `[${rows}, ${vocabulary}]${noise ? ' with noise' : ''}: winners equal, log-sum-exp matches float64`
      return accuracyCase(settings, { op: 'select', name }, (space, random) => {
        const spread = vocabulary < 16 ? 'positive' : 'bell'
        const logits = floats(random, rows * vocabulary, 3, spread)
        return record(space, { logits, noise: noise && floats(random, rows * vocabulary, 2), vocabulary })
      })
    }),
    ...Object.entries(hard).flatMap(([name, make]) =>
      [65, 4099].map((size) =>
        accuracyCase(settings, { op: 'select', name: `[4, ${size}], logits ${name}` }, (space, random) => {
          const logits = floats(random, 4 * size).map((value, i) =>
            make(value, { row: Math.floor(i / size), i: i % size, size }),
          )
          return record(space, { logits, vocabulary: size })
        }),
      ),
    ),
    accuracyCase(settings, { op: 'select', name: '[1, 5] with noise, not a number behind it' }, (space, random) => {
      // Where memory is used again, the values of a larger tensor lie behind those of a smaller one.
      const before = space.backend.upload(new Float32Array(64).fill(Number.NaN), { shape: [64], dtype: 'f32' })
      space.backend.free(before)
      return record(space, { logits: floats(random, 5), noise: new Float32Array(5), vocabulary: 5 })
    }),
    accuracyCase(settings, { op: 'select', name: '[3, 65], ties that only the noise makes' }, (space, random) => {
      const logits = floats(random, 3 * 65)
      const noise = floats(random, 3 * 65)
      for (let row = 0; row < 3; row++) {
        // 8 + 2 and 9 + 1, the lower id with the lower logit, and the other way round.
        const [low, high] = row % 2 ? [8, 9] : [9, 8]
        logits.set([low], row * 65 + 20)
        noise.set([10 - low], row * 65 + 20)
        logits.set([high], row * 65 + 50)
        noise.set([10 - high], row * 65 + 50)
      }
      return record(space, { logits, noise, vocabulary: 65 })
    }),
    accuracyCase(
      settings,
      { op: 'select', name: '[3, 65], a logit that is no number shows in the log-sum-exp' },
      (space, random) => {
        const logits = floats(random, 3 * 65)
        logits[65 + 40] = Number.NaN
        const { scores } = run(space, { logits, vocabulary: 65 })
        const expected = oracle.select(logits, undefined, 65).scores
        expected[3] = Number.NaN
        return [{ what: 'scores', actual: scores, expected, group: 1, ignoredColumns: [0] }]
      },
    ),
    ...[1, 65, 4099].map((size) => {
      const name = `[3, ${size}], logits all minus infinity but for one in the first row and the last`
      return accuracyCase(settings, { op: 'select', name }, (space) => {
        const logits = new Float32Array(3 * size).fill(Number.NEGATIVE_INFINITY)
        logits[0] = 1.5
        logits[3 * size - 1] = -2
        return record(space, { logits, vocabulary: size })
      })
    }),
    ...[65, 4099].flatMap((vocabulary) =>
      [false, true].flatMap((noisy) =>
        rowCases(
          settings,
          { op: 'select', name: `${vocabulary} logits${noisy ? ' with noise' : ''}` },
          (space, random) => {
            const logits = floats(random, baseRows * vocabulary, 4)
            const noise = floats(random, baseRows * vocabulary, 2)
            return (picks) => {
              const { ids, scores } = run(space, {
                logits: Float32Array.from(oracle.pickRows(logits, picks, vocabulary)),
                noise: noisy ? Float32Array.from(oracle.pickRows(noise, picks, vocabulary)) : undefined,
                vocabulary,
              })
              return [ids, scores]
            }
          },
        ),
      ),
    ),
  ]
}

interface Call {
  readonly logits: Float32Array
  readonly noise?: Float32Array | undefined
  readonly vocabulary: number
}

function run(space: Workspace, { logits, noise, vocabulary }: Call) {
  const shape = [logits.length / vocabulary, vocabulary]
  const ids = space.unset([shape[0]!], 'i32')
  const scores = space.poisoned([shape[0]!, 2])
  space.ops.select({ ids, scores }, space.values(logits, shape), { noise: noise && space.values(noise, shape) })
  return { ids, scores }
}

function record(space: Workspace, call: Call): Check[] {
  const { ids, scores } = run(space, call)
  const expected = oracle.select(call.logits, call.noise, call.vocabulary)
  return [
    { what: 'ids', actual: ids, expected: expected.ids, limit: 0 },
    { what: 'scores', actual: scores, expected: expected.scores, group: 1, equalColumns: [0] },
  ]
}
