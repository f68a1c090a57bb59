// Cases of `storeKV`, read back through attention: positions, sequences, layers, overwriting, parents left alone.

import { accuracyCase, type Check } from './accuracy.ts'
import type { Case, CaseSettings } from './case.ts'
import { invarianceCase, schedules } from './invariance.ts'
import { floats, type Random } from './random.ts'
import {
  contentChecks,
  newSequence,
  type Rows,
  type Sequence,
  segmentsOf,
  storeRandom,
  storeTwins,
} from './sequences.ts'
import type { Workspace } from './workspace.ts'

const layers = 2

export function storeKVCases(settings: CaseSettings): Case[] {
  const accuracy = (name: string, record: (space: Workspace, random: Random) => readonly Check[]) =>
    accuracyCase(settings, { op: 'storeKV', name }, record)
  return [
    ...[1, 3, 8, 33, 64, 192].map((width) =>
      accuracy(`rows of ${width} are found at their positions in both layers`, (space, random) => {
        const sequence = newSequence(space, { layers, width, capacity: 16 })
        storeRandom(space, random, [{ sequence, start: 0, count: 5 }])
        storeRandom(space, random, [{ sequence, start: 5, count: 1 }])
        storeRandom(space, random, [{ sequence, start: 6, count: 4 }])
        return contentChecks(space, random, [{ sequence, start: 0, count: 10 }], `positions 0 to 9`)
      }),
    ),
    accuracy('rows of several sequences in one pass go to their own caches', (space, random) => {
      const make = () => newSequence(space, { layers, width: 20, capacity: 40 })
      const [a, b, c] = [make(), make(), make()]
      storeRandom(space, random, [
        { sequence: b, start: 0, count: 17 },
        { sequence: a, start: 0, count: 3 },
      ])
      storeRandom(space, random, [
        { sequence: a, start: 3, count: 2 },
        { sequence: c, start: 0, count: 1 },
        { sequence: b, start: 17, count: 4 },
      ])
      return [
        ...contentChecks(space, random, [{ sequence: a, start: 0, count: 5 }], 'first sequence'),
        ...contentChecks(space, random, [{ sequence: b, start: 0, count: 21 }], 'second sequence'),
        ...contentChecks(space, random, [{ sequence: c, start: 0, count: 1 }], 'third sequence'),
      ]
    }),
    accuracy('a cache filled row by row to its capacity of 130 keeps every row', (space, random) => {
      const sequence = newSequence(space, { layers, width: 8, capacity: 130 })
      for (let start = 0; start < 130; start++) storeRandom(space, random, [{ sequence, start, count: 1 }])
      return contentChecks(space, random, [{ sequence, start: 0, count: 130 }], 'positions 0 to 129')
    }),
    accuracy('rows stored again after a truncation replace these and no others', (space, random) => {
      const sequence = newSequence(space, { layers, width: 16, capacity: 32 })
      storeRandom(space, random, [{ sequence, start: 0, count: 20 }])
      storeRandom(space, random, [{ sequence, start: 9, count: 4 }])
      return contentChecks(space, random, [{ sequence, start: 0, count: 20 }], 'positions 0 to 19')
    }),
    accuracy('rows of one layer leave the other layer alone', (space, random) => {
      const sequence = newSequence(space, { layers, width: 16, capacity: 16 })
      const rows = [{ sequence, start: 0, count: 7 }]
      storeRandom(space, random, rows)
      sequence.keys[0]!.set(floats(random, 7 * 16))
      sequence.values[0]!.set(floats(random, 7 * 16))
      storeTwins(space, rows, 0)
      return contentChecks(space, random, rows, 'positions 0 to 6')
    }),
    accuracy('rows of a sequence leave its parent and its siblings alone', (space, random) => {
      const parent = newSequence(space, { layers, width: 12, capacity: 40 })
      storeRandom(space, random, [{ sequence: parent, start: 0, count: 30 }])
      const child = () =>
        newSequence(space, { layers, width: 12, capacity: 40, parent: { sequence: parent, length: 13 } })
      const [a, b] = [child(), child()]
      storeRandom(space, random, [
        { sequence: a, start: 13, count: 5 },
        { sequence: b, start: 13, count: 2 },
      ])
      const allOf = (sequence: Sequence, start: number, end: number): Rows[] => [
        { sequence, start, count: end - start },
      ]
      return [
        ...contentChecks(space, random, allOf(parent, 0, 30), 'parent'),
        ...contentChecks(space, random, allOf(a, 13, 18), 'first child'),
        ...contentChecks(space, random, allOf(b, 13, 15), 'second child'),
      ]
    }),
    ...[24, 33].map((width) => cut(settings, width)),
  ]
}

/** However the rows came into the cache, attention over it has the same bits. */
function cut(settings: CaseSettings, width: number): Case {
  const lengths = [19, 7, 50]
  const name = `rows of ${width} are the same however their sequences, of ${lengths.join(', ')}, were cut`
  return invarianceCase(settings, { op: 'storeKV', name, scope: 'passes' }, (space, random) => {
    const twins = lengths.map((length) => ({
      keys: floats(random, length * width),
      values: floats(random, length * width),
      queries: floats(random, length * width),
    }))
    return schedules(random, lengths).flatMap(({ how, schedule }) => {
      const sequences = twins.map(({ keys, values }, i) => {
        const sequence = newSequence(space, { layers: 1, width, capacity: lengths[i]! })
        sequence.keys[0]!.set(keys)
        sequence.values[0]!.set(values)
        return sequence
      })
      for (const pass of schedule) {
        const rows = pass.map(({ sequence, start, count }) => ({ sequence: sequences[sequence]!, start, count }))
        storeTwins(space, rows, 0)
      }
      return sequences.map((sequence, i) => {
        const shape = [lengths[i]!, width]
        const out = space.unset(shape)
        space.ops.attention(out, space.values(twins[i]!.queries, shape), {
          layer: 0,
          headSize: width,
          scale: 1 / Math.sqrt(width),
          segments: segmentsOf([{ sequence, start: 0, count: lengths[i]! }]),
        })
        return {
          where: () => `stored ${how}`,
          rows: Array.from({ length: lengths[i]! }, (_, row) => `${row} of sequence ${i}`),
          outputs: [out],
        }
      })
    })
  })
}
