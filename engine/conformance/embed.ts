// Cases of `embed`: rows of the table, exactly, by ids from the host and from the device.

import type { Tensor } from '../backend.ts'
import { isBlockType, type WeightDType } from '../dtype.ts'
import { accuracyCase } from './accuracy.ts'
import type { Case, CaseSettings } from './case.ts'
import { baseRows, rowCases } from './invariance.ts'
import { pickRows } from './oracle.ts'
import { floats, type Random } from './random.ts'
import { makeWeight, type Weight, weightDTypes } from './weights.ts'

interface Shape {
  readonly rows: number
  readonly vocabulary: number
  readonly hidden: number
}

const shapes: readonly Shape[] = [
  { rows: 1, vocabulary: 1, hidden: 1 },
  { rows: 3, vocabulary: 5, hidden: 7 },
  { rows: 9, vocabulary: 33, hidden: 65 },
  { rows: 5, vocabulary: 4099, hidden: 16 },
  { rows: 2, vocabulary: 1000, hidden: 576 },
]

const blockShapes: readonly Shape[] = [
  { rows: 1, vocabulary: 1, hidden: 32 },
  { rows: 5, vocabulary: 33, hidden: 96 },
  { rows: 9, vocabulary: 4099, hidden: 64 },
  { rows: 3, vocabulary: 257, hidden: 576 },
]

export function embedCases(settings: CaseSettings): Case[] {
  return [...weightDTypes.flatMap((dtype) => accuracyCases(settings, dtype)), ...fromSelect(settings)]
}

function accuracyCases(settings: CaseSettings, dtype: WeightDType): Case[] {
  const cases = (isBlockType(dtype) ? blockShapes : shapes).map((shape) => {
    const { rows, vocabulary, hidden } = shape
    return accuracyCase(
      settings,
      { op: 'embed', dtype, name: `${rows} ids look up ${dtype} [${vocabulary}, ${hidden}] exactly` },
      (space, random) => {
        const weight = table(random, shape, dtype)
        const ids = someIds(random, rows, vocabulary)
        const out = space.poisoned([rows, hidden])
        space.ops.embed(out, ids, { table: space.weight(weight) })
        return [{ what: 'out', actual: out, expected: pickRows(weight.exact, ids, hidden), limit: 0 }]
      },
    )
  })
  const wide = { rows: baseRows, vocabulary: 129, hidden: 96 }
  return [
    ...cases,
    ...rowCases(settings, { op: 'embed', dtype, name: `${dtype} [129, 96]` }, (space, random) => {
      const ids = someIds(random, baseRows, wide.vocabulary)
      const weight = space.weight(table(random, wide, dtype))
      return (picks) => {
        const out = space.unset([picks.length, wide.hidden])
        space.ops.embed(
          out,
          Int32Array.from(picks, (pick) => ids[pick]!),
          { table: weight },
        )
        return [out]
      }
    }),
  ]
}

/** Ids that stay on the device: an uploaded tensor, and what `select` found. */
function fromSelect(settings: CaseSettings): Case[] {
  const shape = { rows: 5, vocabulary: 67, hidden: 32 }
  const { rows, vocabulary, hidden } = shape
  return [
    accuracyCase(
      settings,
      { op: 'embed', name: `ids of an i32 tensor [${rows}] look up as those of the host` },
      (space, random) => {
        const weight = table(random, shape, 'f32')
        const ids = someIds(random, rows, vocabulary)
        const out = space.poisoned([rows, hidden])
        space.ops.embed(out, space.values(ids, [rows]), { table: space.weight(weight) })
        return [{ what: 'out', actual: out, expected: pickRows(weight.exact, ids, hidden), limit: 0 }]
      },
    ),
    accuracyCase(
      settings,
      { op: 'embed', name: `ids that select found [${rows}] are looked up without a read` },
      (space, random) => {
        const weight = table(random, shape, 'f32')
        const ids = someIds(random, rows, vocabulary)
        const logits = floats(random, rows * vocabulary)
        for (const [row, id] of ids.entries()) logits[row * vocabulary + id] = 50
        const { ops } = space.backend
        const found: { ids: Tensor; scores: Tensor } = {
          ids: space.unset([rows], 'i32'),
          scores: space.unset([rows, 2]),
        }
        const out = space.poisoned([rows, hidden])
        ops.select(found, space.values(logits, [rows, vocabulary]), {})
        ops.embed(out, found.ids, { table: space.weight(weight) })
        return [{ what: 'out', actual: out, expected: pickRows(weight.exact, ids, hidden), limit: 0 }]
      },
    ),
  ]
}

function table(random: Random, { vocabulary, hidden }: Shape, dtype: WeightDType): Weight {
  return makeWeight(floats(random, vocabulary * hidden, 0.5), [vocabulary, hidden], dtype)
}

/** The first id, the last, one twice, and others. */
function someIds(random: Random, rows: number, vocabulary: number): Int32Array<ArrayBuffer> {
  const ids = Int32Array.from({ length: rows }, () => random.below(vocabulary))
  ids[0] = vocabulary - 1
  if (rows > 1) ids[1] = 0
  if (rows > 3) ids[3] = ids[2]!
  return ids
}
