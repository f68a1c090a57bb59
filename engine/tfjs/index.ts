// Backends on TensorFlow.js: `tfjs:tensorflow` (TensorFlow itself, by tfjs-node or, with CUDA, tfjs-node-gpu), `tfjs:wasm`,
// `tfjs:webgpu`, `tfjs:webgl` and `tfjs:cpu`. Its packages are optional, and loaded when a backend is opened.

import { platform } from '#tfjs'
import type { Backend, BackendModule, Capabilities, OpenOptions } from '../backend.ts'
import { BackendUnavailableError } from '../errors.ts'
import { freeMemory } from '../free-memory.ts'
import { isSoftwareName } from '../software-adapter.ts'
import { createBackend } from './backend.ts'
import { createDevice, type Device, type RowLimits } from './device.ts'
import { counted, noQuirks, publicEager } from './eager.ts'
import { adapterOf, isGpu, largestTensor, type Products, quirksOf, setFlags } from './gpu.ts'
import type { TfjsTensor } from './handle.ts'
import { asNodeBackend, type Loaded, type TfjsName } from './load.ts'
import { findLimits, fitLimits, mostRows, type Use, widths } from './probe.ts'
import { tensorflowEager } from './tensorflow.ts'
import type { Tf } from './tf.ts'

export type { TfjsTensor } from './handle.ts'
export type { TfjsCache } from './kv-cache.ts'
export type { TfjsName } from './load.ts'

function createModule(name: TfjsName, { products }: { products?: Products } = {}): BackendModule<TfjsTensor> {
  return {
    name: `tfjs:${name}`,
    unavailable: () => platform.unavailable(name),
    open: (options) => open(name, { ...options, products }),
  }
}

/** TensorFlow.js packages that were loaded, by the name of the backend. */
const loadedTf = new Map<string, Tf>()

/** Tensors that live in the TensorFlow.js of a backend, whoever made them; 0 before it was opened. */
export function tensorsOf(name: string): number {
  return loadedTf.get(name)?.memory().numTensors ?? 0
}

async function open(
  name: TfjsName,
  { threads, products }: OpenOptions & { products: Products | undefined },
): Promise<Backend<TfjsTensor>> {
  const loaded = await platform.load(name, { threads })
  const { tf } = loaded
  loadedTf.set(`tfjs:${name}`, tf)
  tf.enableProdMode()
  if (isGpu(name)) setFlags(tf, name)
  if (name === 'wasm' && threads !== undefined) wasmOf(loaded).setThreadsCount(threads)
  if (!(await tf.setBackend(name)))
    throw new BackendUnavailableError(`TensorFlow.js could not start its ${name} backend`)
  await tf.ready()
  const activate = (): void => {
    // Settled before it returns, once the backend has been started.
    if (tf.getBackend() !== name) void tf.setBackend(name)
  }
  const raw = name === 'tensorflow' ? tensorflowEager(tf, asNodeBackend(tf.backend())) : undefined
  const quirks = isGpu(name) ? quirksOf(tf, name, products) : { ...noQuirks, pairs: name === 'wasm' }
  const device = createDevice(tf, (count) => counted(raw?.eager ?? publicEager(tf, quirks), count))
  const use: Use = { kernels: raw ? ['small', 'large'] : ['large'], activate }
  const running = threadsOf(name, loaded)
  const rowInvariant = await probe(device, use, {
    backend: tf.backend() as object, // an object of any class, as a key
    way: `${running} ${quirks.singly}`,
  })
  const { device: words, kind } = describe(name, loaded, device)
  const fixed = `${running} thread${running > 1 ? 's' : ''} (not ${threads}: ${whyOtherThreads(name, tf)})`
  const { max } = device.limits
  return createBackend({
    name: `tfjs:${name}`,
    device,
    activate,
    capabilities: {
      rowInvariant,
      invariance: invarianceOf(device, rowInvariant),
      oneWidth: rowInvariant ? oneWidthOf(device) : undefined,
      dtypes: ['f32'],
      threads: running,
      // Whole products, all full.
      passRows: max * Math.floor(mostRows / max),
      device: threads === undefined || threads === running ? words : `${words}, ${fixed}`,
      kind,
      ...(isGpu(name) || kind === 'hardware' ? {} : { freeReads: true }),
    },
    room: {
      tensor: () => (isGpu(name) ? largestTensor(tf, name) : undefined),
      // What a GPU has free it does not tell.
      all: () => (kind === 'hardware' ? undefined : freeMemory()),
    },
    async fit(shapes) {
      // wasm and cpu have one kernel for products of all shapes, and a GPU's in software is one too, and slow.
      if (!rowInvariant || !(raw || kind === 'hardware' || products === 'tiled')) return
      for (const shape of shapes) await fitLimits(device, shape, use)
    },
    close: () => raw?.dispose(),
  })
}

interface WasmModule {
  setThreadsCount(threads: number): void
  getThreadsCount(): number
}

function wasmOf({ modules }: Loaded): WasmModule {
  return modules.get('@tensorflow/tfjs-backend-wasm') as WasmModule // see asTf
}

/** Threads in force, whatever was asked for. */
function threadsOf(name: TfjsName, loaded: Loaded): number {
  if (name === 'tensorflow') return platform.tensorflowThreads()
  return name === 'wasm' ? wasmOf(loaded).getThreadsCount() : 1
}

/** Why there are other threads than were asked for. */
function whyOtherThreads(name: TfjsName, tf: Tf): string {
  if (name === 'tensorflow') return 'its library was loaded before'
  if (name === 'cpu') return 'it has no others'
  if (name !== 'wasm') return "they are the device's own"
  return tf.env().getBool('WASM_HAS_MULTITHREAD_SUPPORT')
    ? 'it was started before'
    : 'TensorFlow.js gives it more only in a page that is cross-origin isolated'
}

/** What was found of a TensorFlow.js backend, which all that open it share, by its threads and its way to multiply. */
const probed = new WeakMap<object, Map<string, { limits: RowLimits; found: boolean }>>()

/** Sets the device's limits, and says whether they hold. */
async function probe(device: Device, use: Use, { backend, way }: { backend: object; way: string }): Promise<boolean> {
  const byWay = probed.get(backend) ?? new Map()
  probed.set(backend, byWay)
  const known = byWay.get(way)
  if (known) {
    device.limits = known.limits
    return known.found
  }
  const found = await findLimits(device, use)
  byWay.set(way, { limits: device.limits, found })
  return found
}

/** What the probe found, in words. */
function invarianceOf({ limits: { min, max, kernel } }: Device, found: boolean): string {
  if (!found) return 'no products of some rows give a row the same bits at any place'
  const of = kernel === 'small' ? ' by the kernel for small matrices' : ''
  return min === max
    ? `products run at one width of ${min} rows${of}, since others give other bits`
    : `products of ${min} to ${max} rows${of} give equal bits`
}

/** Where a row alone is padded, and not to one width, neither can be compared with a kernel of one row. */
function oneWidthOf({ limits: { min, max } }: Device): Capabilities['oneWidth'] {
  if (min === max) return { rows: min, inForce: true }
  return min === 1 ? { rows: widths[0], inForce: false } : undefined
}

function describe(
  name: TfjsName,
  { tf, failures }: Loaded,
  { limits }: Device,
): { device: string; kind: 'software' | 'hardware' } {
  const rows = limits.min > 1 ? `, products of ${limits.min} to ${limits.max} rows` : ''
  if (name !== 'tensorflow') {
    const adapter = isGpu(name) ? adapterOf(tf, name) : ''
    return {
      device: `TensorFlow.js ${tf.version_core ?? ''}, ${name}${adapter && ` on ${adapter}`}${rows}`,
      kind: isGpu(name) && !isSoftwareName(adapter) ? 'hardware' : 'software',
    }
  }
  const { binding, isGPUPackage, isUsingGpuDevice } = asNodeBackend(tf.backend())
  const processor = isUsingGpuDevice
    ? 'a CUDA GPU'
    : isGPUPackage
      ? 'the CPU, for it found no GPU that its CUDA libraries can use (docs/cuda.md)'
      : 'the CPU'
  return {
    device: [`TensorFlow ${binding.TF_Version} on ${processor}${rows}`, ...failures].join('; '),
    kind: isUsingGpuDevice ? 'hardware' : 'software',
  }
}

export const tfjsTensorflow: BackendModule<TfjsTensor> = createModule('tensorflow')
export const tfjsWasm: BackendModule<TfjsTensor> = createModule('wasm')
export const tfjsWebgpu: BackendModule<TfjsTensor> = createModule('webgpu')
export const tfjsWebgl: BackendModule<TfjsTensor> = createModule('webgl')
export const tfjsCpu: BackendModule<TfjsTensor> = createModule('cpu')

/** `tfjs:webgpu` with the products that suit a graphics card, also where software computes: for tests of these. */
export const tfjsWebgpuTiled: BackendModule<TfjsTensor> = createModule('webgpu', { products: 'tiled' })

/** All of them, in the order of the README's table. */
export const tfjsModules: readonly BackendModule<TfjsTensor>[] = [
  tfjsTensorflow,
  tfjsWasm,
  tfjsWebgpu,
  tfjsWebgl,
  tfjsCpu,
]
