// Backends on TensorFlow.js: `tfjs:tensorflow` (TensorFlow itself, by tfjs-node or, with CUDA, tfjs-node-gpu), `tfjs:wasm`,
// `tfjs:webgpu`, `tfjs:webgl` and `tfjs:cpu`. Its packages are optional, and loaded when a backend is opened.

import { platform } from '#tfjs'
import type { Backend, BackendModule, Capabilities, OpenOptions } from '../backend.ts'
import { BackendUnavailableError } from '../errors.ts'
import { createBackend } from './backend.ts'
import { createDevice, type Device, type RowLimits } from './device.ts'
import { counted, noQuirks, publicEager } from './eager.ts'
import { adapterOf, isGpu, isSoftware, largestTensor, quirksOf, setFlags } from './gpu.ts'
import type { TfjsTensor } from './handle.ts'
import { asNodeBackend, type Loaded, type TfjsName } from './load.ts'
import { findLimits } from './probe.ts'
import { tensorflowEager } from './tensorflow.ts'
import type { Tf } from './tf.ts'

export type { TfjsTensor } from './handle.ts'
export type { TfjsCache } from './kv-cache.ts'
export type { TfjsName } from './load.ts'

/** A backend's module, with a count of the TensorFlow.js operations that the backends opened by it have run. */
export interface TfjsModule extends BackendModule<TfjsTensor> {
  operations(): number
}

function createModule(name: TfjsName): TfjsModule {
  const devices: Device[] = []
  return {
    name: `tfjs:${name}`,
    unavailable: () => platform.unavailable(name),
    operations: () => devices.reduce((sum, device) => sum + device.operations, 0),
    async open(options) {
      const { backend, device } = await open(name, options)
      devices.push(device)
      return backend
    },
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
  { threads }: OpenOptions,
): Promise<{ backend: Backend<TfjsTensor>; device: Device }> {
  const loaded = await platform.load(name, { threads })
  const { tf } = loaded
  loadedTf.set(`tfjs:${name}`, tf)
  tf.enableProdMode()
  if (isGpu(name)) setFlags(tf, name)
  if (name === 'wasm') setThreads(loaded, threads)
  if (!(await tf.setBackend(name)))
    throw new BackendUnavailableError(`TensorFlow.js could not start its ${name} backend`)
  await tf.ready()
  const activate = (): void => {
    // Settled before it returns, once the backend has been started.
    if (tf.getBackend() !== name) void tf.setBackend(name)
  }
  const raw = name === 'tensorflow' ? tensorflowEager(tf, asNodeBackend(tf.backend())) : undefined
  const quirks = isGpu(name) ? quirksOf(tf, name) : { ...noQuirks, pairs: name === 'wasm' }
  const device = createDevice(tf, (count) => counted(raw?.eager ?? publicEager(tf, quirks), count))
  const rowInvariant = await probe(device, {
    backend: tf.backend() as object,
    threads,
    smallBelow: raw ? [smallWeight, 0] : [0],
  })
  const { max } = device.limits
  const backend = createBackend({
    name: `tfjs:${name}`,
    device,
    activate,
    capabilities: {
      rowInvariant,
      dtypes: ['f32'],
      threads: platform.threads(name, threads),
      passRows: Math.min(max, 32),
      ...describe(name, loaded, device),
    },
    largestTensor: () =>
      Math.min(
        isGpu(name) ? largestTensor(tf, name) : Number.POSITIVE_INFINITY,
        platform.freeMemory() ?? Number.POSITIVE_INFINITY,
      ),
    close: () => raw?.dispose(),
  })
  return { backend, device }
}

/**
 * Values of a weight up to which TensorFlow's plain matMul is the quicker: it wakes no threads, but slows down with the
 * rows once the weight is far larger than the caches.
 */
const smallWeight = 2 ** 24

function setThreads({ modules }: Loaded, threads: number | undefined): void {
  const wasm = modules.get('@tensorflow/tfjs-backend-wasm') as { setThreadsCount(threads: number): void } // see asTf
  if (threads !== undefined) wasm.setThreadsCount(threads)
}

/** What was found of a TensorFlow.js backend, which all that open it share, by the threads asked for. */
const probed = new WeakMap<
  object,
  Map<number | undefined, { limits: RowLimits; found: Capabilities['rowInvariant'] }>
>()

/** Sets the device's limits, and says what they promise. */
async function probe(
  device: Device,
  { backend, threads, smallBelow }: { backend: object; threads: number | undefined; smallBelow: readonly number[] },
): Promise<Capabilities['rowInvariant']> {
  const byThreads = probed.get(backend) ?? new Map()
  probed.set(backend, byThreads)
  const known = byThreads.get(threads)
  if (known) {
    device.limits = known.limits
    return known.found
  }
  const found = await findLimits(device, { smallBelow })
  byThreads.set(threads, { limits: device.limits, found })
  return found
}

function describe(
  name: TfjsName,
  { tf }: Loaded,
  { limits }: Device,
): { device: string; kind: 'software' | 'hardware' } {
  const rows = limits.min > 1 ? `, products of ${limits.min} to ${limits.max} rows` : ''
  if (name !== 'tensorflow') {
    const adapter = isGpu(name) ? adapterOf(tf, name) : ''
    return {
      device: `TensorFlow.js ${tf.version_core ?? ''}, ${name}${adapter && ` on ${adapter}`}${rows}`,
      kind: isGpu(name) && !isSoftware(adapter) ? 'hardware' : 'software',
    }
  }
  const { binding, isGPUPackage, isUsingGpuDevice } = asNodeBackend(tf.backend())
  const processor = isUsingGpuDevice
    ? 'a CUDA GPU'
    : isGPUPackage
      ? 'the CPU, for it found no GPU that its CUDA libraries can use (docs/cuda.md)'
      : 'the CPU'
  return {
    device: `TensorFlow ${binding.TF_Version} on ${processor}${rows}`,
    kind: isUsingGpuDevice ? 'hardware' : 'software',
  }
}

export const tfjsTensorflow: TfjsModule = createModule('tensorflow')
export const tfjsWasm: TfjsModule = createModule('wasm')
export const tfjsWebgpu: TfjsModule = createModule('webgpu')
export const tfjsWebgl: TfjsModule = createModule('webgl')
export const tfjsCpu: TfjsModule = createModule('cpu')

/** All of them, in the order of the README's table. */
export const tfjsModules: readonly TfjsModule[] = [tfjsTensorflow, tfjsWasm, tfjsWebgpu, tfjsWebgl, tfjsCpu]
