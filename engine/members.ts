// The members of a backend by name: to see that somebody's module has them all, and to build one backend on another.

import type { Backend, BackendModule, OpName, Ops, Tensor } from './backend.ts'
import { ArgumentError } from './errors.ts'

/** Every op, in the order of a pass. */
export const opNames: readonly OpName[] = [
  'embed',
  'rmsNorm',
  'linear',
  'rope',
  'storeKV',
  'attention',
  'swiglu',
  'copyRows',
  'copyKV',
  'select',
]

const methods = ['upload', 'createCache', 'arena', 'read', 'free', 'memory', 'dispose'] as const

/** Throws {@link ArgumentError} unless this is an object with a name and `open`. */
export function expectModule(module: unknown): asserts module is BackendModule {
  const given: { name?: unknown; open?: unknown } = typeof module === 'object' && module ? module : {}
  if (typeof given.name === 'string' && typeof given.open === 'function') return
  throw new ArgumentError(
    'a backend module is an object with a name and a function open(options), as withOps makes one',
  )
}

/** Throws {@link ArgumentError} naming the first member that an opened backend lacks. */
export function expectBackend(name: string, backend: unknown): asserts backend is Backend {
  const lacks = (what: string): never => {
    throw new ArgumentError(
      `what open() of the backend "${name}" gives has no ${what}; engine/backend.ts lists what it needs`,
    )
  }
  if (typeof backend !== 'object' || !backend) return lacks('members: it is no object')
  const members: Readonly<Record<string, unknown>> = { ...prototypeMembers(backend), ...backend }
  const { ops, capabilities } = members
  if (typeof members['name'] !== 'string') lacks('name')
  if (typeof capabilities !== 'object' || !capabilities || !('dtypes' in capabilities)) lacks('capabilities')
  for (const method of methods) if (typeof members[method] !== 'function') lacks(`function ${method}`)
  if (typeof ops !== 'object' || !ops) return lacks('ops')
  const kernels: Readonly<Record<string, unknown>> = { ...prototypeMembers(ops), ...ops }
  for (const op of opNames) if (typeof kernels[op] !== 'function') lacks(`op ${op}`)
}

/** What an instance of a class has from its class. */
function prototypeMembers(object: object): Record<string, unknown> {
  const prototype: unknown = Object.getPrototypeOf(object)
  if (typeof prototype !== 'object' || !prototype || prototype === Object.prototype) return {}
  const own = Object.getOwnPropertyNames(prototype).map((key) => [key, Reflect.get(prototype, key, object)])
  return { ...prototypeMembers(prototype), ...Object.fromEntries(own) }
}

/** A plain object that hands every call on, so that parts of it can be replaced; the backend may be a class's. */
export function delegate<T extends Tensor>(backend: Backend<T>): Backend<T> {
  const { ops } = backend
  const kernels: Ops<T> = {
    embed: (out, ids, options) => ops.embed(out, ids, options),
    rmsNorm: (out, x, options) => ops.rmsNorm(out, x, options),
    linear: (out, x, options) => ops.linear(out, x, options),
    rope: (out, x, options) => ops.rope(out, x, options),
    storeKV: (keys, values, options) => ops.storeKV(keys, values, options),
    attention: (out, queries, options) => ops.attention(out, queries, options),
    swiglu: (out, gate, up) => ops.swiglu(out, gate, up),
    copyRows: (out, x, options) => ops.copyRows(out, x, options),
    copyKV: (out, source, options) => ops.copyKV(out, source, options),
    select: (out, logits, options) => ops.select(out, logits, options),
  }
  return {
    name: backend.name,
    capabilities: backend.capabilities,
    ops: kernels,
    ...(backend.prepare && { prepare: (weights) => backend.prepare!(weights) }),
    ...(backend.operations && { operations: () => backend.operations!() }),
    ...(backend.uploaded && { uploaded: () => backend.uploaded!() }),
    upload: (data, spec) => backend.upload(data, spec),
    createCache: (spec) => backend.createCache(spec),
    arena: () => backend.arena(),
    read: (tensors) => backend.read(tensors),
    free: (handle) => backend.free(handle),
    memory: () => backend.memory(),
    dispose: () => backend.dispose(),
  }
}
