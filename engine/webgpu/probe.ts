// Finds out whether a row's product has the same bits by every kernel, for whatever number of rows: the text is the same, but
// what a driver's compiler makes of it need not be. Other ops have one kernel for all passes.

import type { Backend, Capabilities } from '../backend.ts'
import { byteSize } from '../dtype.ts'
import { agree, numbers, type Part, trialParts, trialRows } from '../row-trials.ts'
import { weightTypes } from './weights.ts'

/** Rows for which there are kernels; and those where their bits differ. */
const candidates = [[1, 2, 4, 8], [8]] as const

/** `[out, in]` of weights: for outputs by fours, and one by one. */
const shapes = [
  [64, 576],
  [33, 96],
] as const

/** f32 rows that do not come in fours have a kernel of their own. */
const oddShape = [5, 33] as const

export type Found = Pick<Capabilities, 'rowInvariant' | 'invariance' | 'oneWidth'>

/** By the name of the device: a driver does not change while a process runs. */
const known = new Map<string, { tiles: readonly number[] } & Found>()

/** Sets the tiles to those that hold, and says what was found. */
export async function findTiles(
  backend: Backend,
  device: string,
  use: (tiles: readonly number[]) => void,
): Promise<Found> {
  let found = known.get(device)
  if (!found) {
    found = await search(backend, use)
    known.set(device, found)
  }
  const { tiles, ...rest } = found
  use(tiles)
  return rest
}

async function search(
  backend: Backend,
  use: (tiles: readonly number[]) => void,
): Promise<{ tiles: readonly number[] } & Found> {
  let differing: string | undefined
  for (const tiles of candidates) {
    use(tiles)
    const wrong = await firstDiffering(backend)
    if (wrong === undefined) {
      const widths = tiles.join(', ')
      const invariance = differing
        ? `products run at one width of ${widths} rows, since ${differing}`
        : `products by kernels of ${widths} rows give equal bits`
      const oneWidth = { rows: tiles.at(-1)!, inForce: differing !== undefined }
      return { tiles, rowInvariant: true, invariance, oneWidth }
    }
    differing ??= wrong
  }
  const [tiles] = candidates
  return { tiles, rowInvariant: false, invariance: `no kernel gives a row the same bits at any place: ${differing}` }
}

/** What shows that rows depend on others, or nothing. */
async function firstDiffering(backend: Backend): Promise<string | undefined> {
  const trials = weightTypes.flatMap((dtype) =>
    [...shapes, ...(dtype === 'f32' ? [oddShape] : [])].map((shape) => ({ dtype, shape })),
  )
  const arena = backend.arena()
  const uploaded = []
  const outs = []
  const all: Part = { from: 0, count: trialRows }
  for (const { dtype, shape } of trials) {
    const [out, size] = shape
    const weight = backend.upload(weightOf(dtype, shape), { shape, dtype })
    const x = backend.upload(numbers(trialRows * size, 2), { shape: [trialRows, size], dtype: 'f32' })
    uploaded.push(weight, x)
    for (const { from, count } of [all, ...trialParts]) {
      const rows = arena.tensor([count, size])
      backend.ops.copyRows(rows, x, { rows: Array.from({ length: count }, (_, i) => from + i), at: 0 })
      const product = arena.tensor([count, out])
      backend.ops.linear(product, rows, { weight })
      outs.push(product)
    }
  }
  const bits = (await backend.read(outs)).map(({ buffer }) => new Int32Array(buffer))
  arena.release()
  for (const tensor of uploaded) backend.free(tensor)
  for (const { dtype, shape } of trials) {
    const [whole, ...some] = bits.splice(0, 1 + trialParts.length)
    for (const [i, { from, count }] of trialParts.entries()) {
      if (agree(some[i]!, whole!.subarray(from * shape[0]))) continue
      return `${count} rows by ${dtype} [${shape.join(', ')}] differ from the same among ${trialRows}`
    }
  }
  return undefined
}

/** Blocks of any bytes are numbers, as long as their scales are. */
function weightOf(dtype: (typeof weightTypes)[number], [out, size]: readonly [number, number]) {
  if (dtype === 'f32') return numbers(out * size, 1)
  const bytes = new Uint8Array(byteSize(dtype, [out, size]))
  const step = byteSize(dtype, [32])
  for (const [i, value] of numbers(bytes.length, 1).entries()) bytes[i] = Math.floor(value * 128) & 255
  // Scales from 1 to 2.
  for (let at = 0; at < bytes.length; at += step) bytes[at + 1] = 0x3c | (bytes[at + 1]! & 3)
  return bytes
}
