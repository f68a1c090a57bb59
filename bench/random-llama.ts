// Models of a shape with weights of noise, as many of its layers as there is memory for.

import type { Backend, Tensor, WeightSpec } from '../engine/backend.ts'
import { convert } from '../engine/convert.ts'
import { byteSize, type WeightDType } from '../engine/dtype.ts'
import { ArgumentError, OutOfMemoryError } from '../engine/errors.ts'
import { freeMemory } from '../engine/free-memory.ts'
import type { Turn } from '../engine/turn.ts'
import type { LlamaConfig } from '../model/config.ts'
import { createLlama, type Llama } from '../model/llama.ts'
import { assembleWeights, runningDType, tensorShapes, type WeightsSummary } from '../model/weights.ts'

export interface RandomLlamaOptions {
  /** The type in which matrices run; default the backend's fastest that loses nothing of the shape's own. */
  readonly dtype: WeightDType | undefined
  readonly turn: Turn
  /** Told after each weight. */
  readonly onProgress?: (done: number, total: number) => void
  /** Bytes that the system has left, where it tells; default what it says. */
  readonly free?: () => number | undefined
  /** Bytes that passes take beside the weights, for which room has to be left; default 0. */
  readonly reserve?: number
}

export interface FittingOptions extends Omit<RandomLlamaOptions, 'reserve'> {
  /** Tokens that are cached at most. */
  readonly positions: number
  /** Layers to run, no fewer if they do not fit; default all of a small shape, else few, and fewer where that is all that fits. */
  readonly layers?: number | undefined
}

/** A Llama of noise. `free` frees it. */
export type RandomLlama = Llama & { free(): void }

/** A shape with no more weights than these runs whole. */
const smallBytes = 2 ** 30

/** Layers of larger ones: three counts of them, the least of which is more than one, show what each layer costs. */
const fewLayers = 6

/** No line is laid through fewer. */
const fewestLayers = 2

/** The weights of a shape on a backend, in the order of `tensorShapes`. */
export function weightSpecs(backend: Backend, config: LlamaConfig, dtype: WeightDType | undefined): WeightSpec[] {
  const { storedDType } = config
  return [...tensorShapes(config).values()].map((shape) => {
    return { shape, dtype: runningDType({ shape, dtype: storedDType }, backend, dtype) }
  })
}

/** Bytes of these weights together. */
export function bytesOf(weights: readonly WeightSpec[]): number {
  return weights.reduce((sum, { shape, dtype }) => sum + byteSize(dtype, shape), 0)
}

/** How many weights run in each type. */
export function runningTypes(weights: readonly WeightSpec[]): WeightsSummary['running'] {
  const running: Partial<Record<WeightDType, number>> = {}
  for (const { dtype } of weights) running[dtype] = (running[dtype] ?? 0) + 1
  return running
}

/**
 * A model of noise with the first layers of a shape. Throws {@link OutOfMemoryError}, before it takes any memory, where so
 * many layers do not fit, or, where their number was not asked for, not even two. Throws {@link ArgumentError} for one
 * layer of several.
 */
export async function fittingLlama(
  backend: Backend,
  config: LlamaConfig,
  { layers: asked, positions, ...options }: FittingOptions,
): Promise<RandomLlama> {
  const all = config.numHiddenLayers
  if (asked !== undefined && asked < Math.min(all, fewestLayers)) {
    throw new ArgumentError(`what a layer costs shows from ${fewestLayers} layers on, not from ${asked}`)
  }
  const isSmall = bytesOf(weightSpecs(backend, config, options.dtype)) <= smallBytes
  const most = Math.min(all, asked ?? (isSmall ? all : fewLayers))
  const least = Math.min(most, asked ?? fewestLayers)
  for (let layers = most; ; layers--) {
    try {
      const few = { ...config, numHiddenLayers: layers }
      return await randomLlama(backend, few, { ...options, reserve: passBytes(few, positions) })
    } catch (error) {
      if (!(error instanceof OutOfMemoryError)) throw error
      if (layers === least) {
        const what = layers === all ? `all ${all} layers` : `${layers} of ${all} layers`
        throw new OutOfMemoryError(`${what} do not fit; --dtype q4_0 takes least (${error.message})`, { cause: error })
      }
    }
  }
}

/** Keys and values, twice while a cache grows, and a pass in work. */
function passBytes({ numHiddenLayers, numKeyValueHeads, headDim }: LlamaConfig, positions: number): number {
  return 2 ** 27 + 2 * byteSize('f32', [2 * numHiddenLayers, positions, numKeyValueHeads * headDim])
}

/**
 * A Llama of this shape with weights of noise, the size of which keeps hidden rows in bounds. Throws
 * {@link OutOfMemoryError}, before it takes any memory where the backend or the system tell.
 */
export async function randomLlama(
  backend: Backend,
  config: LlamaConfig,
  { dtype, turn, onProgress, free = freeMemory, reserve = 0 }: RandomLlamaOptions,
): Promise<RandomLlama> {
  const weights = weightSpecs(backend, config, dtype)
  expectRoom(backend, { weights, reserve, free: free() })
  // What passes take is no weight, but has to have its room as if it were one; what a device has, it does not tell.
  const inHost = reserve > 0 && backend.capabilities.kind !== 'hardware'
  const rest: WeightSpec[] = inHost ? [{ shape: [Math.ceil(reserve / 4)], dtype: 'f32' }] : []
  await backend.prepare?.([...weights, ...rest])
  const uploaded = new Map<string, Tensor>()
  try {
    const noise = createNoise(Math.max(...weights.map(({ dtype, shape }) => byteSize(dtype, shape))))
    for (const [i, name] of [...tensorShapes(config).keys()].entries()) {
      await turn()
      uploaded.set(name, backend.upload(noise(weights[i]!), weights[i]!))
      onProgress?.(i + 1, weights.length)
    }
  } catch (error) {
    for (const tensor of uploaded.values()) backend.free(tensor)
    throw error instanceof RangeError ? new OutOfMemoryError(`no memory for the weights: ${error.message}`) : error
  }
  return createLlama(backend, config, assembleWeights(uploaded, config))
}

/** Weights are copied from the host's memory, and stay there too unless a device has its own. */
function expectRoom(
  { capabilities }: Backend,
  { weights, reserve, free }: { weights: readonly WeightSpec[]; reserve: number; free: number | undefined },
): void {
  const largest = Math.max(...weights.map((weight) => bytesOf([weight])))
  const needed = largest + (capabilities.kind === 'hardware' ? 0 : bytesOf(weights) + reserve)
  if (free === undefined || needed <= free) return
  throw new OutOfMemoryError(
    `weights, a copy of the largest on its way, and passes take ${needed} bytes; the system has ${free} left`,
  )
}

/**
 * Values of the noise that repeats: blocks of 32, in a number that is prime, so that rows begin at different ones of them.
 */
const period = 32 * 2039

/**
 * Makes weights of noise, and norms of ones, in one buffer, which the next call writes again: a stretch of values is drawn
 * and converted once for each type and width, and copied from there on, for drawing each value takes longer than running
 * the model.
 */
function createNoise(largest: number): (weight: WeightSpec) => Uint8Array | Float32Array {
  const buffer = new ArrayBuffer(Math.ceil(largest / 4) * 4)
  const stretches = new Map<string, Uint8Array>()
  const values = new Float32Array(period)
  let state = 1
  for (let i = 0; i < period; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0
    values[i] = state * 2 ** -31
  }

  function stretch(dtype: WeightDType, width: number): Uint8Array {
    const key = `${dtype} ${width}`
    const known = stretches.get(key)
    if (known) return known
    const scaled = values.map((value) => value / Math.sqrt(width))
    const made = convert(new Uint8Array(scaled.buffer), 'f32', dtype)
    stretches.set(key, made)
    return made
  }

  return ({ shape, dtype }) => {
    if (shape.length === 1) return new Float32Array(shape[0]!).fill(1)
    const bytes = new Uint8Array(buffer, 0, byteSize(dtype, shape))
    const source = stretch(dtype, shape.at(-1)!)
    bytes.set(source.subarray(0, bytes.length))
    for (let done = source.length; done < bytes.length; done *= 2) {
      bytes.copyWithin(done, 0, Math.min(done, bytes.length - done))
    }
    return dtype === 'f32' ? new Float32Array(buffer, 0, bytes.length / 4) : bytes
  }
}
