// A backend with every call checked: arguments, and the life of handles.

import type { Arena, Backend, Ops, Tensor } from './backend.ts'
import { byteSize, elementCount } from './dtype.ts'
import { DisposedError, DTypeError, ShapeError } from './errors.ts'
import { type ExpectLive, expectCacheWidth, expectLiveCache, expectWhole, opChecks } from './op-checks.ts'

/**
 * The same backend, with every call checked. Throws {@link ShapeError}, {@link DTypeError}, {@link ArgumentError}, or
 * {@link DisposedError} for a handle that was freed, released with its arena, or made by another backend.
 */
export function checked<T extends Tensor>(backend: Backend<T>): Backend<T> {
  const live = new Set<object>()
  let disposed = false

  function expectLive(what: string, handle: object): void {
    expectOpen(what)
    if (!live.has(handle)) {
      throw new DisposedError(`${what}: a handle was freed, or released with its arena, or is another backend's`)
    }
  }

  function keep<H extends object>(handle: H): H {
    live.add(handle)
    return handle
  }

  function expectOpen(what: string): void {
    if (disposed) throw new DisposedError(`${what}: the ${backend.name} backend was disposed`)
  }

  function expectWeightType(dtype: string): void {
    if (dtype !== 'i32' && !backend.capabilities.dtypes.some((known) => known === dtype)) {
      throw new DTypeError(`${backend.name} runs ${backend.capabilities.dtypes.join(', ')}, not ${dtype}`)
    }
  }

  return {
    name: backend.name,
    capabilities: backend.capabilities,
    memory: () => backend.memory(),
    ...(backend.operations && { operations: () => backend.operations!() }),
    ...(backend.uploaded && { uploaded: () => backend.uploaded!() }),
    ...(backend.prepare && {
      async prepare(weights) {
        expectOpen('prepare')
        for (const { shape, dtype } of weights) {
          if (dtype !== 'f32') expectWeightType(dtype)
          byteSize(dtype, shape)
        }
        await backend.prepare!(weights)
      },
    }),
    ops: checkedOps(backend.ops, expectLive),
    upload(data, spec) {
      expectOpen('upload')
      if (spec.dtype !== 'f32') expectWeightType(spec.dtype)
      const given = data instanceof Float32Array ? 'f32' : data instanceof Int32Array ? 'i32' : spec.dtype
      if (given !== spec.dtype)
        throw new DTypeError(`upload: the numbers are ${given}, but ${spec.dtype} was asked for`)
      const size = byteSize(spec.dtype, spec.shape)
      if (data.byteLength !== size) {
        throw new ShapeError(
          `upload: ${spec.dtype} [${spec.shape.join(', ')}] takes ${size} bytes, not ${data.byteLength}`,
        )
      }
      return keep(backend.upload(data, spec))
    },
    createCache(spec) {
      expectOpen('createCache')
      expectWhole('createCache: layers', spec.layers, 1, Number.MAX_SAFE_INTEGER)
      expectWhole('createCache: width', spec.width, 1, Number.MAX_SAFE_INTEGER)
      expectWhole('createCache: capacity', spec.capacity, 1, Number.MAX_SAFE_INTEGER)
      if (spec.parent) {
        const { cache, length } = spec.parent
        expectLiveCache(expectLive, 'createCache: parent', cache)
        if (cache.layers !== spec.layers) throw new ShapeError(`createCache: the parent has ${cache.layers} layers`)
        expectCacheWidth('createCache: parent', [cache], spec.width)
        expectWhole('createCache: parent length', length, 0, Math.min(cache.capacity, spec.capacity))
      }
      return keep(backend.createCache(spec))
    },
    arena(): Arena<T> {
      expectOpen('arena')
      const arena = backend.arena()
      let made: T[] | undefined = []
      return {
        tensor(shape, dtype) {
          expectOpen('arena')
          if (!made) throw new DisposedError('arena: it was released')
          elementCount(shape)
          const tensor = keep(arena.tensor(shape, dtype))
          made.push(tensor)
          return tensor
        },
        release() {
          if (!made) return
          for (const tensor of made) live.delete(tensor)
          made = undefined
          arena.release()
        },
      }
    },
    async read(tensors) {
      expectOpen('read')
      for (const tensor of tensors) {
        expectLive('read', tensor)
        if (tensor.dtype !== 'f32' && tensor.dtype !== 'i32') {
          throw new DTypeError(`read: copies f32 and i32 tensors, not ${tensor.dtype}`)
        }
      }
      return backend.read(tensors)
    },
    free(handle) {
      if (live.delete(handle)) backend.free(handle)
    },
    async dispose() {
      if (disposed) return
      disposed = true
      live.clear()
      await backend.dispose()
    },
  }
}

function checkedOps<T extends Tensor>(ops: Ops<T>, expectLive: ExpectLive): Ops<T> {
  const checks = opChecks(expectLive)

  function after<A, B, C>(check: (a: A, b: B, c: C) => void, kernel: (a: A, b: B, c: C) => void) {
    return (a: A, b: B, c: C): void => {
      check(a, b, c)
      kernel.call(ops, a, b, c)
    }
  }

  return {
    embed: after(checks.embed, ops.embed),
    rmsNorm: after(checks.rmsNorm, ops.rmsNorm),
    linear: after(checks.linear, ops.linear),
    rope: after(checks.rope, ops.rope),
    storeKV: after(checks.storeKV, ops.storeKV),
    attention: after(checks.attention, ops.attention),
    swiglu: after(checks.swiglu, ops.swiglu),
    copyRows: after(checks.copyRows, ops.copyRows),
    copyKV: after(checks.copyKV, ops.copyKV),
    select: after(checks.select, ops.select),
  }
}
