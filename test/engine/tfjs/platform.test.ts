// Finding and loading the packages of TensorFlow.js: packages made up here, in a folder of their own.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import type { Platform } from '../../../engine/tfjs/load.ts'
import { platform as browser } from '../../../engine/tfjs/platform-browser.ts'
import { platform as node } from '../../../engine/tfjs/platform-node.ts'
import { skipUnlessPossible } from '../../skip.ts'
import { expectTfjs, peers } from './peers.ts'

const execute = promisify(execFile)
const gpuPackage = '@tensorflow/tfjs-node-gpu'
const cpuPackage = '@tensorflow/tfjs-node'

describe('packages of TensorFlow.js in Node', () => {
  const before = process.cwd()
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-packages-'))
    process.chdir(folder)
  })
  afterEach(async () => {
    process.chdir(before)
    await rm(folder, { recursive: true })
  })

  /** A package of one file, with or without a library beside it. */
  async function install(name: string, code: string, { library = true } = {}): Promise<void> {
    const path = join(folder, 'node_modules', name)
    await mkdir(join(path, 'lib/napi-v8'), { recursive: true })
    await writeFile(join(path, 'package.json'), JSON.stringify({ name, version: '1.0.0', main: 'index.js' }))
    await writeFile(join(path, 'index.js'), code)
    if (library) await writeFile(join(path, 'lib/napi-v8/tfjs_binding.node'), '')
  }

  it('are not asked for where a backend runs in browsers only', async () => {
    assert.equal(await node.unavailable('webgl'), 'WebGL is in browsers only')
  })

  it('are not enough where a library is missing, which is said', async () => {
    assert.match((await node.unavailable('tensorflow'))!, /npm install @tensorflow\/tfjs-node/)
    await install(cpuPackage, '', { library: false })
    assert.match((await node.unavailable('tensorflow'))!, /^@tensorflow\/tfjs-node was installed without its library/)
    await install(gpuPackage, '')
    assert.equal(await node.unavailable('tensorflow'), undefined)
  })

  it('are taken from the next one where the first cannot be loaded, and why is told', async () => {
    await install(gpuPackage, 'throw new Error("libcudart.so.11.0 is missing")')
    await install(cpuPackage, 'exports.name = "the other"')
    for (let time = 0; time < 2; time++) {
      const { tf, failures } = await node.load('tensorflow', { threads: undefined })
      assert.equal((tf as unknown as { name: string }).name, 'the other')
      assert.deepEqual(failures, [`${gpuPackage} cannot be loaded (libcudart.so.11.0 is missing)`])
    }
  })

  it('are each named with their failure where none can be loaded', async () => {
    await install(gpuPackage, 'throw new Error("no CUDA")')
    await install(cpuPackage, '', { library: false })
    await assert.rejects(node.load('tensorflow', { threads: undefined }), {
      code: 'ERR_BACKEND_UNAVAILABLE',
      message: /tfjs-node-gpu cannot be loaded \(no CUDA\); @tensorflow\/tfjs-node was installed without its library/,
    })
  })

  it('are found inside tfjs-node where nothing else is installed', async function () {
    await expectTfjs(this, 'tfjs:tensorflow')
    await mkdir(join(folder, 'node_modules/@tensorflow'), { recursive: true })
    const installed = dirname(createRequire(peers).resolve(`${cpuPackage}/package.json`))
    await symlink(installed, join(folder, 'node_modules', cpuPackage), 'junction')
    assert.equal(await node.unavailable('cpu'), undefined)
    const { tf } = await node.load('cpu', { threads: undefined })
    assert.equal(tf, createRequire(peers)('@tensorflow/tfjs-core'))
  })

  it('for NVIDIA GPUs are preferred, get their settings before they are loaded, and say that there is no GPU', async function () {
    await expectTfjs(this, 'tfjs:tensorflow')
    const real = JSON.stringify(createRequire(peers).resolve(cpuPackage))
    await install(
      gpuPackage,
      `const { NVIDIA_TF32_OVERRIDE, TF_FORCE_GPU_ALLOW_GROWTH } = process.env
      globalThis.atLoading = [NVIDIA_TF32_OVERRIDE, TF_FORCE_GPU_ALLOW_GROWTH]
      module.exports = require(${real})
      Object.assign(module.exports.backend(), { isGPUPackage: true, isUsingGpuDevice: false })`,
    )
    await install(cpuPackage, 'throw new Error("not this one")')
    const engine = JSON.stringify(new URL('../../../dist/engine/index.js', import.meta.url).href)
    const program = `const { openBackend } = await import(${engine})
      const { capabilities } = await openBackend('tfjs:tensorflow')
      const { device, kind } = capabilities
      process.stdout.write(JSON.stringify({ device, kind, atLoading: globalThis.atLoading }))
      process.exit()`
    const env = { ...process.env }
    delete env['NVIDIA_TF32_OVERRIDE']
    delete env['TF_FORCE_GPU_ALLOW_GROWTH']
    const { stdout } = await execute(process.execPath, ['--input-type=module', '--eval', program], { cwd: folder, env })
    const { device, kind, atLoading } = JSON.parse(stdout)
    assert.deepEqual(atLoading, ['0', 'true'])
    assert.equal(kind, 'software')
    assert.match(device, /on the CPU, for it found no GPU that its CUDA libraries can use \(docs\/cuda\.md\)/)
  })

  it('of WebGPU are not enough without an adapter, which is said instead of what Dawn says', async function () {
    for (const name of ['core', 'backend-cpu', 'backend-webgpu']) await install(`@tensorflow/tfjs-${name}`, '')
    skipUnlessPossible(this, !('gpu' in (globalThis.navigator ?? {})), 'this Node has a WebGPU of its own')
    assert.match((await node.unavailable('webgpu'))!, /npm install webgpu/)
    const none = "exports.create = () => ({ requestAdapter: async () => (console.error('no Vulkan'), null) })"
    await install('webgpu', none)
    assert.match((await node.unavailable('webgpu'))!, /^WebGPU found no adapter: install a driver/)
  })
})

describe('packages of TensorFlow.js in a browser', () => {
  const had = Object.getOwnPropertyDescriptor(globalThis, 'navigator')
  afterEach(() => {
    if (had) Object.defineProperty(globalThis, 'navigator', had)
    else Reflect.deleteProperty(globalThis, 'navigator')
  })

  function inBrowserWith(navigator: object): Platform {
    Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true })
    return browser
  }

  it('are not asked for where the browser lacks what they run on', async () => {
    assert.equal(await inBrowserWith({}).unavailable('tensorflow'), 'TensorFlow itself runs in Node only')
    assert.equal(await inBrowserWith({}).unavailable('webgl'), 'this browser has no WebGL 2')
    assert.equal(await inBrowserWith({}).unavailable('webgpu'), 'this browser has no WebGPU')
    const gpu = { requestAdapter: async () => null }
    assert.match((await inBrowserWith({ gpu }).unavailable('webgpu'))!, /found no adapter/)
  })

  it('are named where they are not installed', async () => {
    const gpu = { requestAdapter: async () => ({}) }
    assert.equal(
      await inBrowserWith({ gpu }).unavailable('webgpu'),
      'run "npm install @tensorflow/tfjs-core @tensorflow/tfjs-backend-cpu @tensorflow/tfjs-backend-webgpu"',
    )
  })
})
