// A program of its own: computes with q8_0 weights by relaxed SIMD, and tells in JSON how that compares with words of 16 bits.
import { loadModel } from 'drafthorse'
import { allCases, defaultSeed, type Random, randomFor, runCase } from 'drafthorse/conformance'
import { type Backend, openBackend } from 'drafthorse/engine'
import { createModule } from '../../../engine/wasm/module.ts'
import { compile, compileWords } from '../../../engine/wasm/products.ts'

/** What the program writes to standard output. */
export interface Told {
  readonly device: string
  /** Products that were compared, and what is known of those that differ. */
  readonly compared: number
  readonly differing: readonly string[]
  /** Conformance cases that were run, and what those say that failed. */
  readonly cases: number
  readonly failed: readonly string[]
  /** Whether the embedded model has the same logits, bit for bit. */
  readonly sameLogits: boolean
}

const open = (modules: typeof compile): Promise<Backend> => openBackend(createModule(modules), { threads: 2 })

const sizes = [32, 64, 96, 256, 576, 768, 1536]
const outSizes = [1, 2, 3, 4, 6, 13, 33]

/** Bytes of weights, by what they are called. */
const bytesOf: Readonly<Record<string, (random: Random, i: number) => number>> = {
  random: (random) => random.below(256) - 128,
  lowest: () => -128,
  highest: () => 127,
  alternating: (_, i) => (i % 2 === 0 ? -128 : 127),
  zero: () => 0,
}

/** Activations, by what they are called. */
const valuesOf: Readonly<Record<string, (random: Random, i: number) => number>> = {
  random: (random) => random.bell(),
  largest: () => 3.4e38,
  lowest: () => -1,
  alternating: (_, i) => (i % 2 === 0 ? 0.7 : -0.7),
  'one of them large': (random, i) => (i === 17 ? 1e4 : random.bell()),
  'too small for an inverse': (random) => random.bell() * 1e-36,
  subnormal: (random) => random.bell() * 1e-42,
  zero: () => 0,
  'not all of them numbers': (random, i) => (i === 5 ? Number.NaN : random.bell()),
  'not all of them finite': (random, i) => (i === 5 ? Number.NEGATIVE_INFINITY : random.bell()),
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[random.below(values.length)]!
}

/** Each kind of weights with each kind of activations, in random sizes. */
async function compareBits(backends: readonly Backend[]): Promise<Pick<Told, 'compared' | 'differing'>> {
  const differing: string[] = []
  let compared = 0
  for (const weightKind of Object.keys(bytesOf)) {
    for (const valueKind of Object.keys(valuesOf)) {
      for (let rows = 1; rows <= 8; rows++) {
        const name = `weights ${weightKind}, activations ${valueKind}, ${rows} rows`
        const random = randomFor(defaultSeed, name)
        const [size, outSize] = [pick(random, sizes), pick(random, outSizes)]
        const weights = new Uint8Array(outSize * (size / 32) * 34)
        for (let at = 0; at < weights.length; at += 34) {
          // A scale of either sign, from 2^-14 to 2.
          weights[at] = random.below(256)
          weights[at + 1] = random.below(2) * 128 + 4 + random.below(60)
          for (let i = 0; i < 32; i++) weights[at + 2 + i] = bytesOf[weightKind]!(random, i)
        }
        const x = Float32Array.from({ length: rows * size }, (_, i) => valuesOf[valueKind]!(random, i % size))
        const all = []
        for (const backend of backends) all.push(...(await multiply(backend, { x, weights, rows, size, outSize })))
        const [a, b, c, d] = all
        if (!a!.equals(c!) || !b!.equals(d!)) differing.push(`${name}, ${size} columns, ${outSize} outputs`)
        compared += rows * outSize
      }
    }
  }
  return { compared, differing }
}

interface Task {
  readonly x: Float32Array
  readonly weights: Uint8Array
  readonly rows: number
  readonly size: number
  readonly outSize: number
}

/** The bits of the products, and of the weights themselves as embeddings. */
async function multiply(backend: Backend, { x, weights, rows, size, outSize }: Task): Promise<Buffer[]> {
  const weight = backend.upload(weights, { shape: [outSize, size], dtype: 'q8_0' })
  const input = backend.upload(x, { shape: [rows, size], dtype: 'f32' })
  const arena = backend.arena()
  const [out, table] = [arena.tensor([rows, outSize]), arena.tensor([outSize, size])]
  backend.ops.linear(out, input, { weight })
  backend.ops.embed(
    table,
    Int32Array.from({ length: outSize }, (_, i) => i),
    { table: weight },
  )
  const read = await backend.read([out, table])
  arena.release()
  backend.free(weight)
  backend.free(input)
  return read.map(({ buffer }) => Buffer.from(buffer))
}

async function conform(backend: Backend): Promise<Pick<Told, 'cases' | 'failed'>> {
  const cases = allCases({ open: () => open(compile) }).filter(
    ({ op, dtype }) => ['linear', 'embed', 'model'].includes(op) && dtype !== 'f32' && dtype !== 'bf16',
  )
  const failed: string[] = []
  for (const item of cases) {
    const outcome = await runCase(item, backend)
    if (outcome.status !== 'ok') failed.push(`${item.op}, ${item.name}: ${outcome.message}`)
  }
  return { cases: cases.length, failed }
}

async function logits(backend: Backend): Promise<Buffer> {
  await using model = await loadModel('stories', { backend, dtype: 'q8_0' })
  const ids = Array.from({ length: 40 }, (_, i) => (i * 37 + 11) % 4096)
  return Buffer.from((await model.logits(ids)).buffer)
}

async function tell(): Promise<Told> {
  const [words, bytes] = [await open(compileWords), await open(compile)]
  const told = {
    device: bytes.capabilities.device,
    ...(await compareBits([words, bytes])),
    ...(await conform(bytes)),
    sameLogits: (await logits(words)).equals(await logits(bytes)),
  }
  await words.dispose()
  await bytes.dispose()
  return told
}

tell().then((told) => process.stdout.write(JSON.stringify(told)))
