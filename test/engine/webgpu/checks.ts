// What the webgpu backend has to show beside what all backends do: one submission and one read-back a round, no buffers made
// in passing, weights in several buffers, a device that is lost. Runs where the device is; free of Node.
import { generate, loadModel } from 'drafthorse'
import { type Backend, type BackendModule, openBackend } from 'drafthorse/engine'
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

/** A round with a draft length known beforehand is one submission and one read-back; the prompt is a submission more. */
export async function countRounds(backend: Backend, files: Files): Promise<void> {
  await using model = await loadModel(await modelFiles(files, 'models/stories'), { backend, dtype: 'q8_0' })
  const prompt = 'Once upon a time'
  for (const [draft, draftLength] of [
    ['none', undefined],
    ['skip', 3],
    ['skip', 'cost-model'],
  ] as const) {
    let rounds = 0
    let drafted = 0
    let maps = 0
    const run = async (): Promise<void> => {
      const { stats } = await generate(model, prompt, { maxNewTokens: 24, ignoreEos: true, draft, draftLength }).result
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
  let device: GPUDevice | undefined
  const { requestDevice } = GPUAdapter.prototype
  GPUAdapter.prototype.requestDevice = async function (...args) {
    device = await requestDevice.apply(this, args)
    return device
  }
  const lost = await openBackend('webgpu').finally(() => {
    GPUAdapter.prototype.requestDevice = requestDevice
  })
  const pass = async (backend: Backend): Promise<unknown> => {
    const x = backend.upload(Float32Array.of(1, 2), { shape: [1, 2], dtype: 'f32' })
    const out = backend.arena().tensor([1, 2])
    backend.ops.swiglu(out, x, x)
    return backend.read([out])
  }
  await pass(lost)
  const pending = pass(lost)
  device!.destroy()
  for (const read of [() => pending, () => pass(lost)]) {
    const code = await read().then(
      () => 'a result',
      (error: Error & { code?: string }) => `${error.code}: ${/open another backend/.test(error.message)}`,
    )
    // What was on its way may have come before the loss.
    if (code !== 'a result') expectSame(code, 'ERR_DEVICE_LOST: true', 'a read of a lost device')
    else expect(read !== undefined, 'a read')
  }
  await lost.dispose()
  const another = await openBackend('webgpu')
  await using model = await loadModel(await modelFiles(files, small), { backend: another, dtype: 'f32' })
  expect((await model.logits([5, 99, 3])).every(Number.isFinite), 'logits after a loss')
  await another.dispose()
}

/** What WebGPU refuses is told by the read that it belongs to. */
export async function refuse(): Promise<void> {
  const backend = await openBackend('webgpu')
  const { createComputePipeline } = GPUDevice.prototype
  GPUDevice.prototype.createComputePipeline = function (descriptor) {
    return createComputePipeline.call(this, { ...descriptor, compute: { ...descriptor.compute, entryPoint: 'none' } })
  }
  const x = backend.upload(Float32Array.of(1, 2), { shape: [1, 2], dtype: 'f32' })
  const out = backend.arena().tensor([1, 2])
  backend.ops.swiglu(out, x, x)
  GPUDevice.prototype.createComputePipeline = createComputePipeline
  const code = await backend.read([out]).then(
    () => 'a result',
    (error: Error & { code?: string }) => error.code,
  )
  expectSame(code, 'ERR_BACKEND_CRASHED', 'a read of what was refused')
  await backend.dispose()
}
