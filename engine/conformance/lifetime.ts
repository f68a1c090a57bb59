// Error cases of memory: shapes that cannot be, and handles used after their end.

import type { Backend } from '../backend.ts'
import type { Case } from './case.ts'
import { errorCase, type Parts } from './errors.ts'

/** Opens a backend like the one under test, for the cases that dispose of it or need two. */
export type OpenAnother = () => Promise<Backend>

type Call = (parts: Parts) => unknown

/** Without `open`, the cases that need a backend of their own are left out. */
export function lifetimeCases(open?: OpenAnother): Case[] {
  return [...refusals(), ...(open ? disposal(open) : [])]
}

function refusals(): Case[] {
  const shape = (name: string, call: Call) => errorCase({ op: 'memory', name, code: 'ERR_SHAPE' }, call)
  const gone = (name: string, call: Call) => errorCase({ op: 'memory', name, code: 'ERR_DISPOSED' }, call)
  const one = Float32Array.of(1)
  return [
    shape('upload of fewer values than the shape', (p) => p.backend.upload(one, { shape: [2], dtype: 'f32' })),
    shape('upload of more bytes than the shape', (p) =>
      p.backend.upload(new Uint8Array(9), { shape: [2], dtype: 'f32' }),
    ),
    shape('upload with a negative dimension', (p) => p.backend.upload(one, { shape: [-1], dtype: 'f32' })),
    shape('an arena tensor with a dimension that is no whole number', (p) => p.f32(1.5, 2)),
    shape('a cache of no layers', (p) => p.cache({ layers: 0 })),
    shape('a cache of width 0', (p) => p.cache({ width: 0 })),
    shape('a cache of no positions', (p) => p.cache({ capacity: 0 })),
    shape('a parent of another width', (p) => p.cache({ parent: p.cache({ width: 4 }) })),
    shape('a parent of other layers', (p) => p.cache({ parent: p.cache({ layers: 1 }) })),
    shape('a parent that is shorter than what is shared of it', (p) => p.cache({ parent: p.cache({ capacity: 4 }) })),
    errorCase(
      { op: 'memory', name: 'q8_0 rows that do not divide into blocks', code: 'ERR_DTYPE', dtype: 'q8_0' },
      (p) => p.backend.upload(new Uint8Array(68), { shape: [2, 33], dtype: 'q8_0' }),
    ),
    errorCase({ op: 'memory', name: 'a read of a weight type', code: 'ERR_DTYPE', dtype: 'bf16' }, (p) =>
      p.backend.read([p.weight('bf16', 2, 2)]),
    ),
    gone('a read after free', (p) => {
      const tensor = p.weight('f32', 1)
      p.backend.free(tensor)
      return p.backend.read([tensor])
    }),
    gone('an op on a freed weight', (p) => {
      const table = p.weight('f32', 1, 1)
      p.backend.free(table)
      p.ops.embed(p.f32(1, 1), Int32Array.of(0), { table })
    }),
    gone('an op on a freed cache', (p) => {
      const cache = p.cache()
      p.backend.free(cache)
      p.ops.storeKV(p.f32(1, 8), p.f32(1, 8), { layer: 0, segments: [{ cache, start: 0, count: 1 }] })
    }),
    gone('a parent that was freed', (p) => {
      const parent = p.cache()
      p.backend.free(parent)
      p.cache({ parent })
    }),
    gone('an op into a tensor of a released arena', (p) => {
      const arena = p.arena()
      const out = arena.tensor([1, 1])
      arena.release()
      p.ops.swiglu(out, p.f32(1, 1), p.f32(1, 1))
    }),
    gone('a read of a tensor of a released arena', (p) => {
      const arena = p.arena()
      const tensor = arena.tensor([1, 1])
      arena.release()
      return p.backend.read([tensor])
    }),
    gone('a tensor from a released arena', (p) => {
      const arena = p.arena()
      arena.release()
      arena.tensor([1, 1])
    }),
  ]
}

/** Cases with a backend of their own: another's handles, and the end. */
function disposal(open: OpenAnother): Case[] {
  const gone = (name: string, call: (other: Backend, under: Backend) => unknown) =>
    errorCase({ op: 'memory', name, code: 'ERR_DISPOSED' }, async ({ backend }) => {
      const other = await open()
      try {
        await call(other, backend)
      } finally {
        await other.dispose()
      }
    })
  const one = { shape: [1, 1], dtype: 'f32' } as const
  return [
    gone("another backend's tensor", (other, backend) => backend.read([other.upload(Float32Array.of(1), one)])),
    gone('an upload after dispose, which may be called twice', async (other) => {
      await other.dispose()
      await other.dispose()
      other.upload(Float32Array.of(1), one)
    }),
    gone('a cache after dispose', async (other) => {
      await other.dispose()
      other.createCache({ layers: 1, width: 1, capacity: 1 })
    }),
    gone('an arena after dispose', async (other) => {
      await other.dispose()
      other.arena()
    }),
    gone('a tensor from an arena of before dispose', async (other) => {
      const arena = other.arena()
      await other.dispose()
      arena.tensor([1, 1])
    }),
    gone('a read after dispose', async (other) => {
      const tensor = other.upload(Float32Array.of(1), one)
      await other.dispose()
      await other.read([tensor])
    }),
    gone('an op after dispose', async (other) => {
      const tensor = other.upload(Float32Array.of(1), one)
      await other.dispose()
      other.ops.swiglu(tensor, tensor, tensor)
    }),
  ]
}
