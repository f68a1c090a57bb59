// Cases of `copyRows` and `copyKV`: the rows asked for, exactly, and no others.

import { accuracyCase } from './accuracy.ts'
import type { Case, CaseSettings } from './case.ts'
import { baseRows, invarianceCase, rowCases } from './invariance.ts'
import { floats, type Random, shuffled } from './random.ts'
import { contentChecks, newSequence, type Sequence, segmentsOf, storeRandom } from './sequences.ts'

interface Input {
  readonly from: number
  readonly to: number
  readonly width: number
  readonly rows: 'all in order' | 'permuted' | 'repeated' | 'one' | 'none'
  readonly at: number
}

const inputs: readonly Input[] = [
  { from: 1, to: 1, width: 1, rows: 'one', at: 0 },
  { from: 5, to: 5, width: 3, rows: 'all in order', at: 0 },
  { from: 7, to: 9, width: 33, rows: 'permuted', at: 2 },
  { from: 4, to: 9, width: 65, rows: 'repeated', at: 1 },
  { from: 9, to: 3, width: 64, rows: 'one', at: 2 },
  { from: 9, to: 20, width: 576, rows: 'permuted', at: 11 },
  { from: 300, to: 305, width: 5, rows: 'permuted', at: 4 },
  { from: 3, to: 4, width: 8, rows: 'none', at: 4 },
]

export function copyRowsCases(settings: CaseSettings): Case[] {
  return [
    ...inputs.map((input) => {
      const { from, to, width, at } = input
      const name = `[${from}, ${width}], rows ${input.rows}, go to [${to}, ${width}] at ${at}, and other rows stay`
      return accuracyCase(settings, { op: 'copyRows', name }, (space, random) => {
        const x = floats(random, from * width)
        const before = floats(random, to * width)
        const rows = pickedRows(random, input)
        const expected = before.slice()
        for (const [i, row] of rows.entries())
          expected.set(x.subarray(row * width, (row + 1) * width), (at + i) * width)
        const out = space.values(before, [to, width])
        space.ops.copyRows(out, space.values(x, [from, width]), { rows, at })
        return [{ what: 'out', actual: out, expected, limit: 0 }]
      })
    }),
    ...rowCases(
      settings,
      { op: 'copyRows', name: 'rows of 65, -0 and the smallest numbers among them' },
      (space, random) => {
        const values = floats(random, baseRows * 65)
        for (let row = 0; row < baseRows; row++) values.set([-0, 0, 1.17549435e-38, -3e38], row * 65 + row)
        const x = space.values(values, [baseRows, 65])
        return (picks) => {
          const out = space.unset([picks.length, 65])
          space.ops.copyRows(out, x, { rows: picks, at: 0 })
          return [out]
        }
      },
    ),
  ]
}

function pickedRows(random: Random, { from, to, rows, at }: Input): number[] {
  switch (rows) {
    case 'all in order':
      return Array.from({ length: from }, (_, i) => i)
    case 'permuted':
      return shuffled(random, from).slice(0, to - at)
    case 'repeated':
      return Array.from({ length: to - at }, (_, i) => ((i * 3) % from) >> 1)
    case 'one':
      return [from - 1]
    case 'none':
      return []
  }
}

interface Range {
  readonly width: number
  readonly held: number
  readonly from: number
  readonly to: number
}

export function copyKVCases(settings: CaseSettings): Case[] {
  const ranges: readonly Range[] = [
    { width: 1, held: 1, from: 0, to: 1 },
    { width: 3, held: 9, from: 0, to: 9 },
    { width: 33, held: 20, from: 5, to: 13 },
    { width: 64, held: 80, from: 63, to: 66 },
    { width: 16, held: 300, from: 0, to: 257 },
    { width: 8, held: 10, from: 4, to: 4 },
  ]
  const layers = 3
  return [
    ...ranges.map(({ width, held, from, to }) => {
      const name = `positions ${from} to ${to - 1} of ${held}, rows of ${width}, are copied in every layer, and others stay`
      return accuracyCase(settings, { op: 'copyKV', name }, (space, random) => {
        const make = () => newSequence(space, { layers, width, capacity: held })
        const [out, source] = [make(), make()]
        for (const sequence of [out, source]) storeRandom(space, random, [{ sequence, start: 0, count: held }])
        space.ops.copyKV(out.cache, source.cache, { from, to })
        copyTwin(out, source, { width, held, from, to })
        return contentChecks(space, random, [{ sequence: out, start: 0, count: held }], 'the copy')
      })
    }),
    accuracyCase(settings, { op: 'copyKV', name: 'a cache that never held anything takes a copy' }, (space, random) => {
      const make = () => newSequence(space, { layers, width: 20, capacity: 100 })
      const [out, source] = [make(), make()]
      storeRandom(space, random, [{ sequence: source, start: 0, count: 90 }])
      space.ops.copyKV(out.cache, source.cache, { from: 0, to: 90 })
      copyTwin(out, source, { width: 20, held: 90, from: 0, to: 90 })
      return contentChecks(space, random, [{ sequence: out, start: 0, count: 90 }], 'the copy')
    }),
    accuracyCase(
      settings,
      { op: 'copyKV', name: 'what a source reads from its parent is copied too' },
      (space, random) => {
        const spec = { layers, width: 12, capacity: 30 }
        const parent = newSequence(space, spec)
        storeRandom(space, random, [{ sequence: parent, start: 0, count: 20 }])
        const source = newSequence(space, { ...spec, parent: { sequence: parent, length: 11 } })
        storeRandom(space, random, [{ sequence: source, start: 11, count: 6 }])
        const out = newSequence(space, spec)
        space.ops.copyKV(out.cache, source.cache, { from: 0, to: 17 })
        copyTwin(out, parent, { width: 12, held: 11, from: 0, to: 11 })
        copyTwin(out, source, { width: 12, held: 17, from: 11, to: 17 })
        return contentChecks(space, random, [{ sequence: out, start: 0, count: 17 }], 'the copy')
      },
    ),
    accuracyCase(settings, { op: 'copyKV', name: 'a copy does not follow its source' }, (space, random) => {
      const make = () => newSequence(space, { layers, width: 16, capacity: 12 })
      const [out, source] = [make(), make()]
      storeRandom(space, random, [{ sequence: source, start: 0, count: 12 }])
      space.ops.copyKV(out.cache, source.cache, { from: 0, to: 12 })
      copyTwin(out, source, { width: 16, held: 12, from: 0, to: 12 })
      storeRandom(space, random, [{ sequence: source, start: 0, count: 12 }])
      return contentChecks(space, random, [{ sequence: out, start: 0, count: 12 }], 'the copy')
    }),
    ...[20, 33].map((width) => copyInvariance(settings, width)),
  ]
}

/** Attention over a copy has the bits of attention over its source. */
function copyInvariance(settings: CaseSettings, width: number): Case {
  const held = 45
  const name = `a sequence of ${held} copied in parts of 1 to 20 positions equals its source, rows of ${width}`
  return invarianceCase(settings, { op: 'copyKV', name, scope: 'passes' }, (space, random) => {
    const make = () => newSequence(space, { layers: 2, width, capacity: held })
    const [source, copy] = [make(), make()]
    storeRandom(space, random, [{ sequence: source, start: 0, count: held }])
    for (const [from, to] of [
      [0, 1],
      [1, 8],
      [8, 17],
      [17, 37],
      [37, 45],
    ] as const) {
      space.ops.copyKV(copy.cache, source.cache, { from, to })
    }
    const queries = space.values(floats(random, held * width), [held, width])
    const rows = Array.from({ length: held }, (_, i) => i)
    return [source, copy].map((sequence) => {
      const out = space.unset([held, width])
      const segments = segmentsOf([{ sequence, start: 0, count: held }])
      space.ops.attention(out, queries, { layer: 1, segments, headSize: width, scale: 1 / Math.sqrt(width) })
      return { where: () => (sequence === source ? 'in the source' : 'in the copy'), rows, outputs: [out] }
    })
  })
}

function copyTwin(out: Sequence, source: Sequence, { width, from, to }: Range): void {
  for (const [layer, keys] of source.keys.entries()) {
    out.keys[layer]!.set(keys.subarray(from * width, to * width), from * width)
    out.values[layer]!.set(source.values[layer]!.subarray(from * width, to * width), from * width)
  }
}
