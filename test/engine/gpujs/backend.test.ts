// What is particular to GPU.js: the mode that really runs, failures between kernels, and the text of the kernels, which
// reaches it through compilers and bundlers.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { createBackend } from '../../../engine/gpujs/backend.ts'
import { createDevice, type Device, type Residence } from '../../../engine/gpujs/device.ts'
import type { Gpu, GpuKernel, GpuModule } from '../../../engine/gpujs/gpu.ts'
import { platform as browser } from '../../../engine/gpujs/platform-browser.ts'
import { newValue, rowsOf } from '../../../engine/gpujs/value.ts'
import { peers } from '../tfjs/peers.ts'
import { expectGpujs } from './peers.ts'

/** A GPU.js whose kernels run in this mode, and do what `compute` does. */
function gpuOf(mode: string, compute: () => Float32Array[]): Gpu {
  return {
    createKernel() {
      const kernel: GpuKernel = Object.assign(compute, {
        setOutput: () => kernel,
        destroy() {},
        kernel: { constructor: { mode }, fallbackReason: 'it was asked to' },
      })
      return kernel
    },
    destroy: async () => {},
  }
}

function deviceOf(gpu: Gpu, mode: string, residence: Residence = 'host'): Device {
  return createDevice(gpu, { mode, residence })
}

describe('a kernel of GPU.js', () => {
  it('is refused where it falls back to another mode, with the reason', async () => {
    const gpu = gpuOf('cpu', () => [Float32Array.of(1)])
    await assert.rejects(deviceOf(gpu, 'webasm').tryOut(), {
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: 'GPU.js was asked for its mode webasm and took cpu (it was asked to)',
    })
  })

  it('is refused also where GPU.js itself falls back, in the middle of a run', async function () {
    await expectGpujs(this, 'gpujs:webasm')
    const { GPU } = createRequire(peers)('gpu.js') as GpuModule // its types are not installed
    const real = new GPU({ mode: 'webasm' })
    const warn = console.warn
    console.warn = () => {}
    try {
      // WebAssembly takes no pair as a constant: GPU.js then takes its mode cpu, and says so to the console alone.
      const source = 'function first(x) { return this.constants.pair[0] + x[this.thread.y][this.thread.x] }'
      const pair = { constants: { pair: [1, 2] }, constantTypes: { pair: 'Array(2)' } } as object // not what our kernels have
      const gpu: Gpu = {
        createKernel: (_, settings) => real.createKernel(source, { ...settings, ...pair }),
        destroy: async () => {},
      }
      await assert.rejects(deviceOf(gpu, 'webasm').tryOut(), {
        code: 'ERR_BACKEND_UNAVAILABLE',
        message: /its mode webasm and took cpu \(constant "pair" of type Array\(2\) is not supported/,
      })
    } finally {
      console.warn = warn
      await real.destroy()
    }
  })

  it('that fails loses what it and those after it compute, and no more', async () => {
    let failing = true
    const gpu = gpuOf('cpu', () => {
      if (failing) throw new Error('out of order')
      return [Float32Array.of(7)]
    })
    const backend = createBackend({
      name: 'failing',
      device: deviceOf(gpu, 'cpu'),
      capabilities: {
        rowInvariant: true,
        dtypes: ['f32'],
        threads: 1,
        passRows: 1,
        device: 'a test',
        kind: 'software',
      },
      room: () => undefined,
      close: async () => {},
    })
    const one = backend.upload(Float32Array.of(1), { shape: [1, 1], dtype: 'f32' })
    const out = backend.arena().tensor([1, 1])
    backend.ops.swiglu(out, one, one)
    await assert.rejects(backend.read([out]), /out of order/)
    failing = false
    await assert.rejects(backend.read([out]), /lost when an earlier kernel failed/)
    backend.ops.swiglu(out, one, one)
    assert.deepEqual(await backend.read([one, out]), [Float32Array.of(1), Float32Array.of(7)])
    await backend.dispose()
  })

  it('runs only where somebody still holds its result', async () => {
    let calls = 0
    const device = deviceOf(
      gpuOf('cpu', () => {
        calls++
        return [Float32Array.of(0)]
      }),
      'cpu',
    )
    const x = newValue({ width: 1, rows: 1 }, rowsOf(Float32Array.of(1), 1))
    const size = { width: 1, rows: 1 }
    const wanted = device.record('keep', { ...size, args: [x] })
    const unwanted = device.record('keep', { ...size, args: [x] })
    unwanted.users--
    await device.run()
    assert.equal(calls, 1)
    assert.ok(wanted.data)
  })
})

describe('GPU.js in a browser', () => {
  it('is not asked for where the browser lacks what it runs on', async () => {
    assert.equal(await browser.unavailable('gl'), 'this browser has no WebGL 2')
  })

  it('is named where it is not installed', async () => {
    assert.equal(await browser.unavailable('cpu'), 'run "npm install gpu.js"')
  })
})
