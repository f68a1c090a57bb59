// Many damaged files of each format: npm run fuzz [-- CASES [FORMAT]]. Prints for each how many were refused, what memory was
// taken and how long the slowest took; ends with an error where a file was mistaken, or took more than its size and 64 MiB.
import { inPeers } from '../engine/tfjs/peers.ts'
import { formats, fuzz } from './formats.ts'

const allowance = 64 * 2 ** 20
/** Milliseconds that one file may take; garbage is collected meanwhile. */
const slowest = 5000

const [cases = '100000', only] = process.argv.slice(2)
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31)

/** Watches the sizes that typed arrays and buffers are made with, so that memory that is only reserved counts as well. */
const allocations = { largest: 0 }
for (const name of ['ArrayBuffer', 'Uint8Array', 'Uint16Array', 'Int32Array', 'Uint32Array', 'Float32Array'] as const) {
  const own = globalThis[name]
  const unit = 'BYTES_PER_ELEMENT' in own ? own.BYTES_PER_ELEMENT : 1
  const watched = new Proxy(own, {
    construct(target, args, newTarget) {
      const [length] = args
      if (typeof length === 'number') allocations.largest = Math.max(allocations.largest, length * unit)
      return Reflect.construct(target, args, newTarget)
    },
  })
  Object.defineProperty(globalThis, name, { value: watched, configurable: true, writable: true })
}

const megabytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`

for (const format of formats) {
  if (only !== undefined && only !== format) continue
  await inPeers(() => fuzz(format, { cases: 50, seed: 1 })) // what is made once is there
  const began = performance.now()
  const result = { cases: 0, refused: 0, slowest: 0, over: 0, largestFile: 0 }
  const before = process.memoryUsage.rss()
  let peak = before
  await inPeers(() =>
    fuzz(format, {
      cases: Number(cases),
      seed,
      onCase({ seed: { files }, refused, milliseconds }) {
        const size = Object.values(files).reduce((sum, { length }) => sum + length, 0)
        result.cases++
        result.refused += Number(refused)
        result.slowest = Math.max(result.slowest, milliseconds)
        result.over = Math.max(result.over, allocations.largest - size)
        result.largestFile = Math.max(result.largestFile, size)
        allocations.largest = 0
        if (result.cases % 500 === 0) globalThis.gc?.() // so that growth is what files take, not what waits to be collected
        peak = Math.max(peak, process.memoryUsage.rss())
      },
    }),
  )
  const seconds = (performance.now() - began) / 1000
  console.log(
    `${format}: ${result.cases} cases in ${seconds.toFixed(0)} s, ${result.refused} refused, ${result.cases - result.refused} read; ` +
      `slowest ${result.slowest.toFixed(0)} ms; largest allocation ${megabytes(Math.max(0, result.over))} above the files' size, ` +
      `memory of the process grew by ${megabytes(peak - before)} (files of ${megabytes(result.largestFile)}); seed ${seed}`,
  )
  if (result.over > allowance || peak - before > allowance + result.largestFile || result.slowest > slowest) {
    throw new Error(`a damaged file of ${format} took too much memory or time`)
  }
}
