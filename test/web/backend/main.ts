// Uses the wasm backend as the page in web/ does not: workers from a file that is named, a thread that breaks down, and
// many backends one after the other.
import { type Backend, openBackend } from 'drafthorse/engine'
import workerUrl from 'drafthorse/engine/wasm/worker.js?worker&url'

/** What one op gives. */
async function multiply(backend: Backend): Promise<string> {
  const weight = backend.upload(Float32Array.of(1, 2, 3, 4), { shape: [2, 2], dtype: 'f32' })
  const x = backend.upload(Float32Array.of(1, 10), { shape: [1, 2], dtype: 'f32' })
  const out = backend.arena().tensor([1, 2])
  backend.ops.linear(out, x, { weight })
  return `${(await backend.read([out]))[0]}`
}

/** What is thrown for an id behind all memory: ids of a tensor are trusted to be in the vocabulary. */
async function crash(backend: Backend): Promise<string> {
  const table = backend.upload(Float32Array.of(1), { shape: [1, 1], dtype: 'f32' })
  const ids = backend.upload(Int32Array.of(0x3f000000), { shape: [1], dtype: 'i32' })
  const out = backend.arena().tensor([1, 1])
  backend.ops.embed(out, ids, { table })
  return backend.read([out]).then(String, String)
}

/** How many of `rounds` of opening, computing and disposing went well. */
async function openOften(rounds: number): Promise<number> {
  let good = 0
  for (let i = 0; i < rounds; i++) {
    const backend = await openBackend('wasm', { threads: 2 })
    if ((await multiply(backend)) === '21,43') good++
    await backend.dispose()
  }
  return good
}

async function run(): Promise<void> {
  const backend = await openBackend('wasm', { threads: 2, workerUrl: `${workerUrl}?named` })
  const lines = [await multiply(backend), await crash(backend)]
  await backend.dispose()
  lines.push(`${await openOften(50)}`)
  document.body.innerText = lines.join('\n')
  document.body.dataset['state'] = 'ready'
}

void run()
