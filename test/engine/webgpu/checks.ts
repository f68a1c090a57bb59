// What the webgpu backend has to show beside what all backends do: one submission and one read-back a round, no buffers made
// in passing, weights in several buffers, a device that is lost or has no memory left. Runs where the device is; free of Node.
import { generate, loadModel, type Model } from 'drafthorse'
import { type Backend, type BackendModule, openBackend, type Tensor } from 'drafthorse/engine'
import { webgpuWith } from 'drafthorse/engine/webgpu'
import { expect, expectSame } from '../tfjs/expect.ts'
import { type Files, modelFiles } from '../tfjs/files.ts'

const small = 'test/oracles/hf/gqa-tied-bf16'

/** Calls of a method of WebGPU while `body` runs. */
async function counted<K extends string>(
  prototype: Readonly<Record<K, unknown>>,
  method: K,
  body: () => Promise<void>,
): Promise<number> {
  const own = Object.getOwnPropertyDescriptor(prototype, method)!
  const original = own.value as (...args: unknown[]) => unknown // what this is called with goes on to it
  let calls = 0
  Object.defineProperty(prototype, method, {
    ...own,
    value(this: unknown, ...args: unknown[]) {
      calls++
      return original.apply(this, args)
    },
  })
  try {
    await body()
  } finally {
    Object.defineProperty(prototype, method, own)
  }
  return calls
}

/** Two numbers through one op. */
function recordTwo(backend: Backend): Tensor {
  const x = backend.upload(Float32Array.of(1, 2), { shape: [1, 2], dtype: 'f32' })
  const out = backend.arena().tensor([1, 2])
  backend.ops.swiglu(out, x, x)
  return out
}

/** The code of the error with which something ends. */
function codeOf(promise: Promise<unknown>): Promise<string | undefined> {
  return promise.then(
    () => 'none',
    (error: Error & { code?: string }) => error.code,
  )
}

/** Opens a backend, and gives the device that it asked for. */
async function openWithDevice(): Promise<{ backend: Backend; device: GPUDevice }> {
  let device: GPUDevice | undefined
  const { requestDevice } = GPUAdapter.prototype
  GPUAdapter.prototype.requestDevice = async function (...args) {
    device = await requestDevice.apply(this, args)
    return device
  }
  const backend = await openBackend('webgpu').finally(() => {
    GPUAdapter.prototype.requestDevice = requestDevice
  })
  return { backend, device: device! }
}

/** A round with a draft length known beforehand is one submission and one read-back; the prompt is a submission more. */
export async function countRounds(backend: Backend, files: Files): Promise<void> {
  await using model = await loadModel(await modelFiles(files, 'models/stories'), { backend, dtype: 'q8_0' })
  const prompt = 'Once upon a time'
  // By it a draft costs what its ops are of a plain pass, so that the cost model drafts whatever the machine is at.
  const clock = (): number => backend.operations!()
  for (const [draft, draftLength] of [
    ['none', undefined],
    ['skip', 3],
    ['skip', 'cost-model'],
  ] as const) {
    let rounds = 0
    let drafted = 0
    let maps = 0
    const run = async (): Promise<void> => {
      const { stats } = await generate(model, prompt, { maxNewTokens: 24, ignoreEos: true, draft, draftLength, clock })
        .result
      rounds = stats.rounds
      drafted = stats.draftedTokens
    }
    // The first fills what is kept.
    await run()
    const submissions = await counted(GPUQueue.prototype, 'submit', async () => {
      maps = await counted(GPUBuffer.prototype, 'mapAsync', run)
    })
    expectSame({ submissions, maps }, { submissions: rounds + 1, maps: rounds }, `${draft} ${draftLength}`)
    if (typeof draftLength === 'number') expect(drafted > rounds, `${drafted} tokens drafted in ${rounds} rounds`)
    expect(drafted > 0 === (draft === 'skip'), `${drafted} tokens drafted by ${draft} ${draftLength}`)
  }
}

/** After a first generation no buffer is made over so many tokens, and `memory()` stays where it was. */
export async function makeNoBuffers(backend: Backend, files: Files, tokens: number): Promise<void> {
  await using model = await loadModel(await modelFiles(files, small), { backend, dtype: 'f32' })
  const skip = { attention: [1], mlp: [1] }
  const each = 200
  const run = async (draft: 'skip' | 'none'): Promise<void> => {
    const options = { maxNewTokens: each, ignoreEos: true, draft, skip, draftLength: 2 } as const
    const { tokens } = await generate(model, [5, 99, 3], options).result
    expectSame(tokens.length, each, small)
  }
  await run('skip')
  const memory = backend.memory()
  const made = await counted(GPUDevice.prototype, 'createBuffer', async () => {
    for (let told = 0; told < tokens; told += each) {
      // Plain steps for the most part, which take less time.
      await run(told === 0 ? 'skip' : 'none')
      expectSame(backend.memory(), memory, 'memory()')
    }
  })
  expectSame(made, 0, 'buffers made')
}

/** Weights cut into several buffers give the bits that they give in one. */
export async function splitWeights(backend: Backend, files: Files): Promise<void> {
  const ids = [5, 99, 3, 17, 44, 8, 250, 1, 2]
  const split: BackendModule = webgpuWith({ mostBytes: 20_000 })
  for (const dtype of ['f32', 'q8_0', 'q4_0'] as const) {
    const logits: Float32Array[] = []
    const other = await openBackend(split)
    for (const each of [backend, other]) {
      await using model = await loadModel(await modelFiles(files, 'models/stories'), { backend: each, dtype })
      logits.push(await model.logits(ids))
    }
    await other.dispose()
    const [whole, parts] = logits.map(({ buffer }) => new Int32Array(buffer))
    expectSame(
      whole!.findIndex((bits, i) => bits !== parts![i]),
      -1,
      `the first ${dtype} logit that differs`,
    )
  }
}

/** A lost device rejects a read that is pending, and all later ones, and says what to do; then another can be opened. */
export async function loseDevice(files: Files): Promise<void> {
  const { backend, device } = await openWithDevice()
  await backend.read([recordTwo(backend)])
  const later = recordTwo(backend)
  const { mapAsync } = GPUBuffer.prototype
  let release = (): void => {}
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  GPUBuffer.prototype.mapAsync = async function (...args) {
    await mapAsync.apply(this, args)
    return held as Promise<undefined> // as both standards of types would have it
  }
  const pending = backend.read([recordTwo(backend)])
  GPUBuffer.prototype.mapAsync = mapAsync
  device.destroy()
  await device.lost
  for (const read of [pending, backend.read([later])]) {
    const told = await read.then(
      () => 'a result',
      (error: Error & { code?: string }) => `${error.code}: ${/open another backend/.test(error.message)}`,
    )
    expectSame(told, 'ERR_DEVICE_LOST: true', 'a read of a lost device')
  }
  release()
  await backend.dispose()
  const another = await openBackend('webgpu')
  await using model = await loadModel(await modelFiles(files, small), { backend: another, dtype: 'f32' })
  expect((await model.logits([5, 99, 3])).every(Number.isFinite), 'logits after a loss')
  await another.dispose()
}

/** Nothing that lives as long as the backend is waited for by every read, for it would keep what each of them gave. */
export async function forgetReads(): Promise<void> {
  const backend = await openBackend('webgpu')
  const out = recordTwo(backend)
  const reads = 20
  const waits = new Map<unknown, number>()
  const { then } = Promise.prototype
  Object.defineProperty(Promise.prototype, 'then', {
    configurable: true,
    writable: true,
    value(this: Promise<unknown>, ...args: Parameters<typeof then>) {
      waits.set(this, (waits.get(this) ?? 0) + 1)
      return then.apply(this, args)
    },
  })
  try {
    for (let i = 0; i < reads; i++) await backend.read([out])
  } finally {
    Object.defineProperty(Promise.prototype, 'then', { configurable: true, writable: true, value: then })
  }
  expect(waits.size >= reads, `${waits.size} promises seen in ${reads} reads`)
  const most = Math.max(...waits.values())
  expect(most < reads, `a promise is waited for ${most} times after ${reads} reads`)
  await backend.dispose()
}

/** A read under way when its backend is disposed gives what it read. */
export async function disposeWhileReading(): Promise<void> {
  const backend = await openBackend('webgpu')
  const [all] = await Promise.all([backend.read([recordTwo(backend)]), backend.dispose()])
  const expected = [1, 2].map((x) => x * (x / (1 + Math.exp(-x))))
  expect(
    [...all[0]!].every((value, i) => Math.abs(value - expected[i]!) < 1e-6),
    `swiglu gave ${all[0]}`,
  )
}

/** As a device without memory does: buffers after so many are not to be used, and a scope tells of it later. */
async function withoutMemory(after: number, body: () => Promise<void>): Promise<void> {
  const { createBuffer, popErrorScope } = GPUDevice.prototype
  let made = 0
  let short = false
  GPUDevice.prototype.createBuffer = function (descriptor) {
    if (made++ < after) return createBuffer.call(this, descriptor)
    short = true
    this.pushErrorScope('validation')
    // A use that is none makes such a buffer.
    const buffer = createBuffer.call(this, { ...descriptor, usage: 0 })
    void popErrorScope.call(this)
    return buffer
  }
  GPUDevice.prototype.popErrorScope = async function () {
    const mine = short
    short = false
    const error = await popErrorScope.call(this)
    return mine ? new GPUOutOfMemoryError('as if') : error
  }
  try {
    await body()
  } finally {
    Object.assign(GPUDevice.prototype, { createBuffer, popErrorScope })
  }
}

/** A model for which the device has no memory is not loaded; what is on the backend stays well, and it loads others. */
export async function runOutOfMemory(backend: Backend, files: Files): Promise<void> {
  const ids = [5, 99, 3]
  await using model = await loadModel(await modelFiles(files, small), { backend, dtype: 'f32' })
  const before = await model.logits(ids)
  const memory = backend.memory()
  const stories = await modelFiles(files, 'models/stories')
  const load = (): Promise<Model> => loadModel(stories, { backend, dtype: 'q8_0' })
  const buffers = await counted(GPUDevice.prototype, 'createBuffer', async () => (await load()).dispose())
  expect(buffers > 1, `${buffers} buffers made for weights`)
  // After the last one nothing is uploaded that could be refused.
  for (const after of [0, buffers - 1]) {
    await withoutMemory(after, async () => {
      expectSame(await codeOf(load()), 'ERR_OUT_OF_MEMORY', `loading with memory for ${after} buffers`)
    })
  }
  await withoutMemory(0, async () => {
    // What is computed with such a weight is told of, even where that was freed.
    const weight = backend.upload(new Float32Array(256 * 256), { shape: [256, 256], dtype: 'f32' })
    const x = backend.upload(new Float32Array(256), { shape: [1, 256], dtype: 'f32' })
    const arena = backend.arena()
    const out = arena.tensor([1, 256])
    backend.ops.linear(out, x, { weight })
    backend.free(weight)
    expectSame(await codeOf(backend.read([out])), 'ERR_OUT_OF_MEMORY', 'a read of a product')
    backend.free(x)
    arena.release()
  })
  expectSame(backend.memory(), memory, 'memory()')
  expectSame(await model.logits(ids), before, 'logits of the model that was there')
  await using other = await load()
  expect((await other.logits(ids)).every(Number.isFinite), 'logits of the model that was not')
}

/** What WebGPU refuses is told by the read that it belongs to. */
export async function refuse(): Promise<void> {
  const backend = await openBackend('webgpu')
  const { createComputePipeline } = GPUDevice.prototype
  GPUDevice.prototype.createComputePipeline = function (descriptor) {
    return createComputePipeline.call(this, { ...descriptor, compute: { ...descriptor.compute, entryPoint: 'none' } })
  }
  const out = recordTwo(backend)
  GPUDevice.prototype.createComputePipeline = createComputePipeline
  expectSame(await codeOf(backend.read([out])), 'ERR_BACKEND_CRASHED', 'a read of what was refused')
  await backend.dispose()
}
