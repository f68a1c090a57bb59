// Opening a backend that cannot be: the GPU of GPU.js that was made for it goes. The packages are made up here.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gpujsCpu, gpujsGl } from 'drafthorse/engine/gpujs'

describe('a backend on GPU.js that fails to open destroys its GPU', () => {
  const before = process.cwd()
  let folder = ''
  beforeEach(async () => {
    folder = await realpath(await mkdtemp(join(tmpdir(), 'drafthorse-gpujs-')))
    process.chdir(folder)
  })
  afterEach(async () => {
    process.chdir(before)
    await rm(folder, { recursive: true })
  })

  /** A GPU.js whose kernels say that they run in this mode. Returns how many of its GPUs were made and destroyed. */
  async function install({ mode, destroy = '' }: { mode: string; destroy?: string }) {
    const path = join(folder, 'node_modules/gpu.js')
    await mkdir(path, { recursive: true })
    await writeFile(join(path, 'package.json'), JSON.stringify({ name: 'gpu.js', version: '1.0.0', main: 'index.js' }))
    const code = `
      exports.counts = { made: 0, destroyed: 0 }
      const context = { getExtension: () => null }
      exports.GPU = class {
        constructor() { exports.counts.made++ }
        createKernel() {
          const kernel = () => [Float32Array.of(1)]
          const inner = { constructor: { mode: '${mode}' }, fallbackReason: 'it was made so', context }
          return Object.assign(kernel, { setOutput: () => kernel, destroy() {}, kernel: inner })
        }
        async destroy() { exports.counts.destroyed++; ${destroy} }
      }`
    await writeFile(join(path, 'index.js'), code)
    const { counts } = createRequire(join(folder, 'any.js'))('gpu.js') as { counts: object } // the package above
    return counts
  }

  it('where its kernels run in another mode', async () => {
    const counts = await install({ mode: 'webasm' })
    await assert.rejects(gpujsCpu.open({}), { code: 'ERR_BACKEND_UNAVAILABLE', message: /it was made so/ })
    assert.deepEqual(counts, { made: 1, destroyed: 1 })
  })

  it('where its device lacks what it needs', async () => {
    const counts = await install({ mode: 'gpu' })
    await assert.rejects(gpujsGl.open({}), { code: 'ERR_BACKEND_UNAVAILABLE', message: /has no f32/ })
    assert.deepEqual(counts, { made: 1, destroyed: 1 })
  })

  it('and says why it failed, even where that fails too', async () => {
    const counts = await install({ mode: 'webasm', destroy: 'throw new Error("stuck")' })
    await assert.rejects(gpujsCpu.open({}), /it was made so/)
    assert.deepEqual(counts, { made: 1, destroyed: 1 })
  })
})
