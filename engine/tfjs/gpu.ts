// What is particular to WebGPU and WebGL: flags of TensorFlow.js that make rows independent of each other, which kernels
// multiply, and the name of the device.

import { BackendUnavailableError } from '../errors.ts'
import { isSoftwareName } from '../software-adapter.ts'
import { noQuirks, type Quirks } from './eager.ts'
import type { Tf } from './tf.ts'

export type GpuName = 'webgpu' | 'webgl'

/** Kernels of WebGPU's matMul, which by itself would choose another with other numbers of rows. */
const kernels = {
  flag: 'WEBGPU_MATMUL_PROGRAM_TYPE',
  /** Tiles of 8 rows: a weight is read once for all of them. */
  tiles: 2,
  /** Tiles that fit matrices of few rows, and a kernel of its own for matrices of one row. */
  packed: 3,
} as const

/** Matrices of so many rows are quicker in packed tiles. */
const packedRows = 8

export function isGpu(name: string): name is GpuName {
  return name === 'webgpu' || name === 'webgl'
}

/** Before the backend starts. Without forwarding, a row never depends on whether the CPU computed it. */
export function setFlags(tf: Tf, name: GpuName): void {
  if (name === 'webgpu') {
    tf.env().set('WEBGPU_CPU_FORWARD', false)
  } else {
    tf.env().set('WEBGL_CPU_FORWARD', false)
    // Programs that take their shapes as numbers are not compiled anew for every number of rows.
    tf.env().set('WEBGL_USE_SHAPES_UNIFORMS', true)
    // Its packed argMax takes any of the highest, the other one the first.
    tf.env().set('WEBGL_PACK_REDUCE', false)
    // Who asks for WebGL by name gets it without a GPU too.
    tf.env().set('SOFTWARE_WEBGL_ENABLED', true)
  }
}

/**
 * How WebGPU multiplies the rows of a pass: all of them as one matrix, in tiles, or each as a matrix of its own. Software pays
 * for every tile, whatever the rows in it; a GPU pays for reading weights, which tiles do once.
 */
export type Products = 'tiled' | 'single'

/**
 * Once the backend has started; `products` where not what suits the device. Throws {@link BackendUnavailableError} where the
 * device has no f32.
 */
export function quirksOf(tf: Tf, name: GpuName, products: Products | undefined): Quirks {
  if (name === 'webgl') {
    if (!tf.env().getBool('WEBGL_RENDER_FLOAT32_ENABLED')) {
      throw new BackendUnavailableError('WebGL of this device has no f32, only f16: use tfjs:webgpu or tfjs:wasm')
    }
    return { ...noQuirks, blends: true, shallow: true, dearProducts: true }
  }
  const singly = (products ?? (isSoftwareName(adapterOf(tf, name)) ? 'single' : 'tiled')) === 'single'
  return {
    ...noQuirks,
    ties: true,
    dearProducts: true,
    singly,
    choose(rows) {
      tf.env().set(kernels.flag, rows !== 'any' && rows <= packedRows ? kernels.packed : kernels.tiles)
    },
  }
}

/** The device in its own words. */
export function adapterOf(tf: Tf, name: GpuName): string {
  if (name === 'webgpu') {
    const { adapterInfo } = tf.backend() as { adapterInfo?: { vendor?: string; architecture?: string } } // its class is not exported
    return `${adapterInfo?.vendor ?? ''} ${adapterInfo?.architecture ?? ''}`.trim()
  }
  const { gpgpu } = tf.backend() as { gpgpu: { gl: WebGLRenderingContext } } // likewise
  const { gl } = gpgpu
  const unmasked = gl.getExtension('WEBGL_debug_renderer_info')?.UNMASKED_RENDERER_WEBGL
  return String(gl.getParameter(unmasked ?? gl.RENDERER))
}

/** Bytes that a tensor may have. */
export function largestTensor(tf: Tf, name: GpuName): number {
  if (name === 'webgl') return tf.env().getNumber('WEBGL_MAX_TEXTURE_SIZE') ** 2 * Float32Array.BYTES_PER_ELEMENT
  const { device } = tf.backend() as { device: { limits: { maxStorageBufferBindingSize: number } } } // likewise
  return device.limits.maxStorageBufferBindingSize
}
