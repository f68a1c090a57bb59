// Cases of memory: copies in and out, the order of ops, what is left at the end.

import type { WeightDType } from '../dtype.ts'
import type { Case, CaseSettings, Outcome } from './case.ts'
import { compare } from './compare.ts'
import * as oracle from './oracle.ts'
import { floats, type Random, randomFor } from './random.ts'
import { makeWeight, weightDTypes } from './weights.ts'
import { inWorkspace, type Workspace } from './workspace.ts'

/** Cases of what may be done; those of what may not are in lifetime.ts. */
export function memoryCases(settings: CaseSettings): Case[] {
  return [...copies(settings), ...order(settings), levels()]
}

type Found = Float32Array | Int32Array

/** A case that holds when what was read equals what was expected. */
function readCase(
  settings: CaseSettings,
  spec: { name: string; dtype?: WeightDType },
  run: (
    space: Workspace,
    random: Random,
  ) => Promise<readonly (readonly [found: Found | undefined, expected: ArrayLike<number>])[]>,
): Case {
  const { name, dtype } = spec
  return {
    op: 'memory',
    kind: 'accuracy',
    name,
    dtype,
    run: (backend) =>
      inWorkspace(backend, async (space): Promise<Outcome> => {
        const pairs = await run(space, randomFor(settings.seed, `memory ${dtype} ${name}`))
        for (const [i, [found, expected]] of pairs.entries()) {
          const options = { what: `array ${i}`, shape: [expected.length], limit: 0 }
          const { message } = compare(found ?? new Float32Array(0), expected, options)
          if (message) return { status: 'failed', message }
        }
        return { status: 'ok' }
      }),
  }
}

function copies(settings: CaseSettings): Case[] {
  return [
    readCase(
      settings,
      { name: 'read gives several tensors in the order asked for, f32 and i32, one twice' },
      async (space, random) => {
        const a = floats(random, 6)
        const b = Int32Array.of(-5, 2 ** 31 - 1, 0)
        const [ta, tb] = [space.values(a, [2, 3]), space.values(b, [3])]
        const read = await space.backend.read([tb, ta, tb])
        return [
          [read[0], b],
          [read[1], a],
          [read[2], b],
        ]
      },
    ),
    readCase(settings, { name: 'read of nothing gives nothing' }, async ({ backend }) => [
      [Int32Array.of((await backend.read([])).length), [0]],
    ]),
    readCase(
      settings,
      { name: 'upload copies: writing to the source afterwards changes nothing' },
      async (space, random) => {
        const source = floats(random, 8)
        const before = source.slice()
        const tensor = space.values(source, [8])
        source.fill(7)
        return [[(await space.backend.read([tensor]))[0], before]]
      },
    ),
    readCase(settings, { name: 'upload takes the part of a buffer that an array views' }, async (space, random) => {
      const all = floats(random, 20)
      const tensor = space.values(all.subarray(5, 12), [7])
      return [[(await space.backend.read([tensor]))[0], all.slice(5, 12)]]
    }),
    readCase(settings, { name: 'read copies: writing to what it gave changes nothing' }, async (space, random) => {
      const values = floats(random, 8)
      const tensor = space.values(values, [8])
      const [first] = await space.backend.read([tensor])
      first?.fill(7)
      return [[(await space.backend.read([tensor]))[0], values]]
    }),
    ...weightDTypes.map((dtype) =>
      readCase(
        settings,
        { name: `upload copies ${dtype} blocks, at any offset of their buffer`, dtype },
        async (space, random) => {
          const { data, exact, shape } = makeWeight(floats(random, 3 * 64), [3, 64], dtype)
          const bytes = new Uint8Array(data.byteLength + 6)
          // f32 values are aligned in their buffer; the bytes of blocks need not be.
          const offset = dtype === 'f32' ? 4 : 3
          bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), offset)
          const view = bytes.subarray(offset, offset + data.byteLength)
          const source = dtype === 'f32' ? new Float32Array(bytes.buffer, offset, data.length) : view
          const table = space.weight({ data: source, shape, dtype })
          bytes.fill(0)
          const out = space.unset([3, 64])
          space.ops.embed(out, Int32Array.of(2, 0, 1), { table })
          return [[(await space.backend.read([out]))[0], oracle.pickRows(exact, [2, 0, 1], 64)]]
        },
      ),
    ),
  ]
}

/** Ops may run later, but as if each had run when it was called. */
function order(settings: CaseSettings): Case[] {
  return [
    readCase(settings, { name: 'ops take effect in the order of the calls, through one tensor' }, async (space) => {
      const { ops, backend, values, unset } = space
      const [a, b] = [values(Float32Array.of(1, 2), [1, 2]), values(Float32Array.of(3, 4), [1, 2])]
      const [middle, first, second] = [unset([1, 2]), unset([1, 2]), unset([1, 2])]
      ops.copyRows(middle, a, { rows: [0], at: 0 })
      ops.copyRows(first, middle, { rows: [0], at: 0 })
      ops.copyRows(middle, b, { rows: [0], at: 0 })
      ops.copyRows(second, middle, { rows: [0], at: 0 })
      const read = await backend.read([second, first])
      return [
        [read[0], [3, 4]],
        [read[1], [1, 2]],
      ]
    }),
    readCase(settings, { name: 'host arrays given to an op may be written to after the call' }, async (space) => {
      const { ops, backend, values, unset } = space
      const table = values(Float32Array.of(10, 11, 12), [3, 1])
      const [embedded, copied] = [unset([2, 1]), unset([2, 1])]
      const ids = Int32Array.of(2, 1)
      const rows = [1, 0]
      const segment = { cache: space.cache({ layers: 1, width: 2, capacity: 4 }), start: 1, count: 1 }
      const segments = [segment]
      const [pair, rotated] = [values(Float32Array.of(3, 4), [1, 2]), unset([1, 2])]
      const cos = values(Float32Array.of(1, 0), [2, 1])
      const sin = values(Float32Array.of(0, 1), [2, 1])
      ops.embed(embedded, ids, { table })
      ops.copyRows(copied, table, { rows, at: 0 })
      ops.rope(rotated, pair, { cos, sin, segments })
      ids.fill(0)
      rows.fill(0)
      segment.start = 0
      segments.length = 0
      const read = await backend.read([embedded, copied, rotated])
      return [
        [read[0], [12, 11]],
        [read[1], [11, 10]],
        [read[2], [-4, 3]],
      ]
    }),
    readCase(
      settings,
      { name: 'an op called before its arena is released, or its input freed, still takes effect' },
      async (space) => {
        const { ops, backend, values, unset, arena } = space
        const out = unset([1, 2])
        const brief = arena()
        const middle = brief.tensor([1, 2])
        const source = values(Float32Array.of(5, 6), [1, 2])
        ops.copyRows(middle, source, { rows: [0], at: 0 })
        backend.free(source)
        ops.copyRows(out, middle, { rows: [0], at: 0 })
        brief.release()
        // What takes the place of the freed memory must not get in between.
        ops.copyRows(unset([1, 2]), values(Float32Array.of(8, 9), [1, 2]), { rows: [0], at: 0 })
        return [[(await backend.read([out]))[0], [5, 6]]]
      },
    ),
    readCase(settings, { name: 'two arenas live side by side' }, async ({ ops, backend, values, arena }) => {
      const [one, other] = [arena(), arena()]
      const source = values(Float32Array.of(1, 2), [2, 1])
      const [a, b] = [one.tensor([1, 1]), other.tensor([1, 1])]
      ops.copyRows(a, source, { rows: [0], at: 0 })
      ops.copyRows(b, source, { rows: [1], at: 0 })
      one.release()
      return [[(await backend.read([b]))[0], [2]]]
    }),
  ]
}

function levels(): Case {
  return {
    op: 'memory',
    kind: 'accuracy',
    name: 'memory() counts what lives, and is back where it was after releasing and freeing, also twice',
    run: (backend) =>
      inWorkspace(backend, async (space): Promise<Outcome> => {
        const before = backend.memory()
        const tensor = space.values(new Float32Array(100), [10, 10])
        const cache = space.cache({ layers: 2, width: 10, capacity: 30 })
        const arena = space.arena()
        const rows = arena.tensor([10, 10])
        space.ops.copyRows(rows, tensor, { rows: [0, 1], at: 0 })
        space.ops.storeKV(rows, rows, { layer: 1, segments: [{ cache, start: 0, count: 10 }] })
        await backend.read([rows])
        const during = backend.memory()
        for (let i = 0; i < 2; i++) {
          arena.release()
          backend.free(cache)
          backend.free(tensor)
        }
        const after = backend.memory()
        const counted = (key: 'tensors' | 'caches' | 'arenas') => during[key] === before[key] + 1
        if (!counted('tensors') || !counted('caches') || !counted('arenas') || during.bytes < before.bytes + 800) {
          return failed('one tensor of 400 bytes, one cache and one arena of 400 more', before, during)
        }
        const level = JSON.stringify(after) === JSON.stringify(before)
        return level ? { status: 'ok' } : failed('what there was before', before, after)
      }),
  }
}

function failed(expected: string, before: unknown, now: unknown): Outcome {
  const message = `expected ${expected}; before ${JSON.stringify(before)}, then ${JSON.stringify(now)}`
  return { status: 'failed', message }
}
