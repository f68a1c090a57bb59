// Threads of the wasm backend: the calling thread stays free, a crash is an error and not a hang, nothing is left behind.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { generate, loadModel } from 'drafthorse'
import { type Backend, openBackend, type Tensor } from 'drafthorse/engine'
import { wasm } from 'drafthorse/engine/wasm'

const matrix = (backend: Backend, rows: number, columns: number): Tensor =>
  backend.upload(new Float32Array(rows * columns).fill(0.5), { shape: [rows, columns], dtype: 'f32' })

async function withBackend(threads: number, body: (backend: Backend) => Promise<void>): Promise<void> {
  const backend = await openBackend('wasm', { threads })
  try {
    await body(backend)
  } finally {
    await backend.dispose()
  }
}

/** Work of some hundred milliseconds, as one list. */
function recordMuch(backend: Backend): Tensor {
  const [x, weight, out] = [matrix(backend, 64, 2048), matrix(backend, 2048, 2048), matrix(backend, 64, 2048)]
  for (let i = 0; i < 16; i++) backend.ops.linear(out, x, { weight })
  return out
}

/** Threads of this process that run JavaScript, but for its own; a loader may have one. */
function workers(): number {
  const report = process.report.getReport() as { workers: unknown[] } // Node's types leave its members open
  return report.workers.length
}

describe('threads of the wasm backend', () => {
  it('leave the calling thread free: a timer of 10 ms fires while a list is run', () =>
    withBackend(2, async (backend) => {
      const before = wasm.counts().lists
      let fired = 0
      const timer = setInterval(() => fired++, 10)
      const [values] = await backend.read([recordMuch(backend)])
      clearInterval(timer)
      assert.equal(wasm.counts().lists, before + 1)
      assert.ok(fired >= 3, `the timer fired ${fired} times`)
      assert.equal(values![0], 512)
    }))

  it('are handed one list for a token, and one for a round of drafts, with ten barriers a layer', async () => {
    await using model = await loadModel('stories', { backend: 'wasm', threads: 2 })
    const layers = model.config.numHiddenLayers
    const count = async (options: Parameters<typeof generate>[2]) => {
      const before = wasm.counts()
      const { stats } = await generate(model, 'Once upon a time', { ...options, ignoreEos: true }).result
      const after = wasm.counts()
      return { rounds: stats.rounds, lists: after.lists - before.lists, barriers: after.barriers - before.barriers }
    }
    // What the prompt costs is in both.
    const [short, long] = [20, 60].map((maxNewTokens) => () => count({ maxNewTokens, draft: 'none' }))
    const [few, many] = [await short!(), await long!()]
    assert.equal(many.lists - few.lists, 40)
    // Norm, q/k/v, rope, store, attention, output; norm, gate/up, swiglu, down. Then norm, head, and select in two steps.
    assert.equal(many.barriers - few.barriers, 40 * (layers * 10 + 4))
    const speculative = await count({ maxNewTokens: 60, draft: 'skip', draftLength: 3 })
    assert.ok(speculative.rounds < 50, `${speculative.rounds} rounds`)
    assert.equal(speculative.lists - speculative.rounds, many.lists - many.rounds)
  })

  it('take as much memory for the hundredth token as for the first', async () => {
    await using model = await loadModel('stories', { backend: 'wasm', threads: 2 })
    const allocations: number[] = []
    const stream = generate(model, 'Once upon a time', { maxNewTokens: 100, draft: 'none', ignoreEos: true })
    for await (const event of stream) if (event.type === 'token') allocations.push(wasm.counts().allocations)
    // The prompt's pass, and once a chunk of the cache, which holds 64 positions, apart.
    const each = allocations.slice(2).map((count, i) => count - allocations[i + 1]!)
    assert.equal(each.filter((count) => count !== each[0]).length, 1, each.join())
  })

  it('let an abort take effect', async () => {
    await using model = await loadModel('stories', { backend: 'wasm', threads: 2 })
    const controller = new AbortController()
    const options = { maxNewTokens: 400, draft: 'none', ignoreEos: true, signal: controller.signal } as const
    const stream = generate(model, 'Once upon a time', options)
    let seen = 0
    for await (const event of stream) if (event.type === 'token' && ++seen === 5) controller.abort()
    const { finishReason, tokens } = await stream.result
    assert.equal(finishReason, 'aborted')
    assert.ok(tokens.length <= 6)
  })

  // A list so short is run by two, one of whom is the calling thread: of its rows each has one.
  for (const [row, given] of [
    [0x3f000000, 0],
    [0, 0x3f000000],
  ].entries()) {
    it(`that crash reject what is pending, and what comes later, with a typed error: row ${row}`, () =>
      withBackend(2, async (backend) => {
        const table = matrix(backend, 4, 1)
        // Ids of a tensor are trusted to be in the vocabulary; this one lies behind all memory.
        const ids = backend.upload(Int32Array.from(given), { shape: [2], dtype: 'i32' })
        const arena = backend.arena()
        const out = arena.tensor([2, 1])
        backend.ops.embed(out, ids, { table })
        const crashed = { code: 'ERR_BACKEND_CRASHED', message: /memory access out of bounds.*open the backend anew/ }
        const [first, second] = [backend.read([out]), backend.read([out])]
        await assert.rejects(first, crashed)
        backend.ops.swiglu(out, out, out)
        await assert.rejects(second, crashed)
        await assert.rejects(backend.read([out]), crashed)
        arena.release()
      }))
  }

  it('are opened and ended a hundred times, and leave nothing', async () => {
    const before = workers()
    for (let i = 0; i < 100; i++) {
      await withBackend(2, async (backend) => {
        const arena = backend.arena()
        const out = arena.tensor([1, 4])
        backend.ops.copyRows(out, matrix(backend, 3, 4), { rows: [2], at: 0 })
        assert.deepEqual([...(await backend.read([out]))[0]!], [0.5, 0.5, 0.5, 0.5])
      })
    }
    assert.equal(workers(), before)
    const { allocations, frees } = wasm.counts()
    assert.equal(frees, allocations)
  })

  it('are not more than the machine has a use for, nor than a list has shares for', async () => {
    const cores = availableParallelism()
    const most = Math.min(Math.max(64, 4 * cores), 1024)
    const before = workers()
    for (const threads of [most + 1, 1025]) {
      await assert.rejects(openBackend('wasm', { threads }), {
        code: 'ERR_ARGUMENT',
        message: new RegExp(`^threads is ${threads}, .* ${most} at most here: the machine runs ${cores} at once$`),
      })
    }
    assert.equal(workers(), before)
  })

  it('do not keep the process alive', () => {
    const code = `
      const { openBackend } = await import('drafthorse/engine')
      const backend = await openBackend('wasm', { threads: 2 })
      const x = backend.upload(Float32Array.of(1, 2), { shape: [1, 2], dtype: 'f32' })
      backend.ops.swiglu(x, x, x)
      console.log((await backend.read([x]))[0].length)`
    const cwd = fileURLToPath(new URL('../../..', import.meta.url))
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
      cwd,
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.deepEqual([run.status, run.stdout], [0, '2\n'], run.stderr)
  })
})

describe('memory of the wasm backend', () => {
  it('that does not suffice is said before anything is taken', () =>
    withBackend(1, async (backend) => {
      const before = backend.memory()
      const arena = backend.arena()
      assert.throws(() => arena.tensor([2 ** 15, 2 ** 15]), { code: 'ERR_OUT_OF_MEMORY', message: /4 GiB/ })
      const cache = backend.createCache({ layers: 2 ** 10, width: 2 ** 16, capacity: 8 })
      const row = arena.tensor([1, 2 ** 16])
      const segments = [{ cache, start: 0, count: 1 }]
      assert.throws(() => backend.ops.storeKV(row, row, { layer: 0, segments }), { code: 'ERR_OUT_OF_MEMORY' })
      assert.equal(backend.memory().bytes, before.bytes + 2 ** 18)
      arena.release()
      backend.free(cache)
      assert.deepEqual(backend.memory(), before)
    }))
  it('for a whole model is asked for before a weight of it is read', () =>
    withBackend(1, async (backend) => {
      const before = backend.memory()
      const matrix = { shape: [2 ** 14, 2 ** 14], dtype: 'f32' } as const
      await backend.prepare!([matrix])
      await assert.rejects(backend.prepare!([matrix, matrix, matrix, matrix]), {
        code: 'ERR_OUT_OF_MEMORY',
        message: /^a model takes 4294967\d+ bytes, and there is room for \d+: /,
      })
      assert.deepEqual(backend.memory(), before)
    }))

  it('goes back when a model ends: rounds of opening, generating and disposing take as much as the first', async () => {
    const given: number[] = []
    for (let round = 0; round < 8; round++) {
      const before = wasm.counts()
      await using first = await loadModel('stories', { backend: 'wasm', threads: 2 })
      await using second = await loadModel('stories', { backend: first.backend })
      const options = { maxNewTokens: 4, draft: 'skip', draftLength: 3 } as const
      const [a, b] = await Promise.all([first, second].map((model) => generate(model, 'One day', options).result))
      assert.equal(a!.text, b!.text)
      await second.dispose()
      await first.dispose()
      const after = wasm.counts()
      assert.equal(after.allocations - before.allocations, after.frees - before.frees)
      given.push(after.allocations - before.allocations)
    }
    assert.deepEqual(new Set(given.slice(1)).size, 1, given.join())
  })
})
