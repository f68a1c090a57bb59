// Causal attention of grouped heads. All keys up to the end of a row's bucket are taken and those that it must not see are
// masked, so its arithmetic has one shape whatever the pass; its sums run over the last axis, which eight divides.

import type { Segments } from '../backend.ts'
import { type Device, paddedRows } from './device.ts'
import { rowsOf, type TfjsTensor, write } from './handle.ts'
import { bucketed, bucketPositions, chunkOf, chunkPositions, layOut, type TfjsCache } from './kv-cache.ts'
import { free } from './rows.ts'
import { type PassSpan, spansOf } from './spans.ts'
import type { TfTensor } from './tf.ts'
import { drop, type Value } from './value.ts'

/** Added to the scores of positions that a row must not see: its exponential is 0 beside any other. */
const hidden = -1e30

interface Options {
  readonly layer: number
  readonly headSize: number
  readonly scale: number
  readonly window?: number | undefined
}

export function attention(
  device: Device,
  out: TfjsTensor,
  queries: TfjsTensor,
  { segments, ...options }: Options & { segments: Segments<TfjsCache> },
): void {
  const { eager } = device
  const { headSize } = options
  const width = queries.shape[1]!
  const kvHeads = segments[0]!.cache.width / headSize
  const axes = [kvHeads, width / headSize / kvHeads, headSize]
  device.queryAxes.set(width, axes)
  for (const { cache } of segments) layOut(device, cache, headSize)
  const rows = paddedRows(device, queries.shape[0]!)
  const all = rowsOf(device, queries, axes)
  const scaled = eager.mul(
    all,
    device.constant(`number ${options.scale}`, () => device.numbers([options.scale], [])),
  )
  const parts = spansOf(segments, rows, bucketPositions).map((span) => {
    const { length } = span.positions
    const own = length === rows ? scaled : eager.slice(scaled, [span.at, 0, 0, 0], [length, ...axes])
    const attended = attend(device, own, span, options)
    if (own !== scaled) own.dispose()
    return attended
  })
  write(out, parts.length === 1 ? parts[0]! : eager.concat(parts, 0))
  scaled.dispose()
  if (parts.length > 1) free(...parts)
}

/** `queries [rows, kvHeads, heads of each, headSize]`, all rows in one bucket of one sequence. */
function attend(device: Device, queries: TfTensor, span: PassSpan, { layer, window }: Options): TfTensor {
  const { eager } = device
  const { cache, positions } = span
  const count = bucketed(positions.at(-1)! + 1)
  const keys = chunks(device, cache, { name: 'keys', layer, count })
  const scores = joined(
    device,
    keys.map(({ tensor }) => eager.rowMatMulTransposed(queries, tensor)),
  )
  const masked = eager.add(scores, mask(device, positions, { count, window }))
  const highest = eager.max(masked)
  const shifted = eager.sub(masked, highest)
  const weights = eager.exp(shifted)
  const total = eager.sum(weights)
  const values = chunks(device, cache, { name: 'values', layer, count })
  const weighted = weigh(device, weights, values)
  const result = eager.div(weighted, total)
  free(scores, masked, highest, shifted, weights, total, weighted)
  for (const value of [...keys, ...values]) drop(value)
  return result
}

/** The chunks that hold positions `0 .. count - 1`. */
function chunks(
  device: Device,
  cache: TfjsCache,
  { name, layer, count }: { name: 'keys' | 'values'; layer: number; count: number },
): Value[] {
  return Array.from({ length: Math.ceil(count / chunkPositions) }, (_, chunk) =>
    chunkOf(device, cache, { name, layer, chunk, positions: Math.min(chunkPositions, count - chunk * chunkPositions) }),
  )
}

function joined({ eager }: Device, parts: readonly TfTensor[]): TfTensor {
  if (parts.length === 1) return parts[0]!
  const all = eager.concat(parts, 3)
  free(...parts)
  return all
}

/** Sums of the values by weight, chunk by chunk, in their order. */
function weigh({ eager }: Device, weights: TfTensor, values: readonly Value[]): TfTensor {
  if (values.length === 1) return eager.rowMatMul(weights, values[0]!.tensor)
  let sum: TfTensor | undefined
  for (const [chunk, { tensor }] of values.entries()) {
    const size = [...weights.shape.slice(0, 3), tensor.shape[1]!]
    const own = eager.slice(weights, [0, 0, 0, chunk * chunkPositions], size)
    const part = eager.rowMatMul(own, tensor)
    const before = sum
    sum = before ? eager.add(before, part) : part
    own.dispose()
    if (before) free(before, part)
  }
  return sum! // there is a chunk for every position, and a position for every row
}

/** `[rows, 1, 1, count]`: 0 where a row may look. */
function mask(
  device: Device,
  positions: readonly number[],
  { count, window = Number.POSITIVE_INFINITY }: { count: number; window?: number | undefined },
): TfTensor {
  return device.ofPass(`mask ${count} ${window} ${positions.join()}`, () => {
    const values = new Float32Array(positions.length * count)
    for (const [row, position] of positions.entries()) {
      for (let p = 0; p < count; p++) {
        if (p > position || p <= position - window) values[row * count + p] = hidden
      }
    }
    return device.tf.tensor(values, [positions.length, 1, 1, count], 'float32')
  })
}
