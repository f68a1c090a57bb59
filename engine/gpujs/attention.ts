// Causal attention of grouped heads, in four kernels for each sequence of a pass, and rotary embedding, in one.

import type { Segments } from '../backend.ts'
import type { Device } from './device.ts'
import { type GpujsCache, tableOf } from './kv-cache.ts'
import { extent, type GpujsTensor, valueIn, write } from './tensor.ts'
import { drop, hold, type Value } from './value.ts'

/** Scores are computed for a multiple of so many positions: a mode that compiles for each size does so now and then only. */
const positionStep = 64

/** More than any position, and a whole number in f32. */
const noWindow = 2 ** 23

/** Each row attends to the positions of its own sequence up to its own. */
export function attention(
  device: Device,
  out: GpujsTensor,
  queries: GpujsTensor,
  options: {
    layer: number
    segments: Segments<GpujsCache>
    headSize: number
    scale: number
    window?: number | undefined
  },
): void {
  const { layer, segments, headSize, scale } = options
  const window = Math.min(options.window ?? noWindow, noWindow)
  const { width } = extent(queries)
  const heads = width / headSize
  const q = valueIn(queries)
  bySegment(device, out, segments, ({ cache, start, count }, offset) => {
    const group = heads / (cache.width / headSize)
    const end = start + count
    const keys = tableOf(device, cache, { name: 'keys', layer, positions: end })
    const values = tableOf(device, cache, { name: 'values', layer, positions: end })
    const positions = Math.min(keys.rows, Math.ceil(end / positionStep) * positionStep)
    const rows = count * heads
    const scores = device.record('attentionScores', {
      constants: { heads, group, headSize },
      width: positions,
      rows,
      args: [q, keys, offset, start, window, scale],
    })
    const largest = device.record('attentionLargest', {
      constants: { heads },
      width: 1,
      rows,
      args: [scores, start, window, end],
    })
    const weights = device.record('attentionWeights', {
      constants: { heads },
      width: positions,
      rows,
      args: [scores, largest, start, window],
    })
    const mixed = device.record('attentionMix', {
      constants: { heads, group, headSize },
      width,
      rows: count,
      args: [weights, values, start, window, end],
    })
    for (const value of [keys, values, scores, largest, weights]) drop(value)
    return mixed
  })
}

/** Rotates each head's pairs by the angle of the row's position. */
export function rope(
  device: Device,
  out: GpujsTensor,
  x: GpujsTensor,
  { cos, sin, segments }: { cos: GpujsTensor; sin: GpujsTensor; segments: Segments<GpujsCache> },
): void {
  const { width } = extent(x)
  const [all, c, s] = [valueIn(x), valueIn(cos), valueIn(sin)]
  bySegment(device, out, segments, ({ start, count }, offset) =>
    device.record('rotate', {
      constants: { half: extent(cos).width },
      width,
      rows: count,
      args: [all, c, s, offset, start],
    }),
  )
}

/** Writes what `compute` gives for each sequence, whose rows begin at `offset` of the pass. */
function bySegment(
  device: Device,
  out: GpujsTensor,
  segments: Segments<GpujsCache>,
  compute: (segment: Segments<GpujsCache>[number], offset: number) => Value,
): void {
  const { width, rows } = extent(out)
  let whole: Value | undefined
  let offset = 0
  for (const segment of segments) {
    const { count } = segment
    if (count === 0) continue
    const part = compute(segment, offset)
    const before = whole
    whole =
      count === rows
        ? hold(part)
        : device.record('place', { width, rows, args: [before ?? part, part, offset, count, 0, before ? rows : 0] })
    drop(part)
    if (before) drop(before)
    offset += count
  }
  if (whole) write(out, whole)
}
