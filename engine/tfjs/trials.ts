// What the probe runs: the ops themselves on meaningless numbers, over some of a trial's rows at a time.

import { numbers, type Part, trialRows } from '../row-trials.ts'
import { attention } from './attention.ts'
import type { Device, RowLimits } from './device.ts'
import { clear, newHandle, type TfjsTensor, valueIn, write } from './handle.ts'
import { chunkPositions, dropCache, newCache, storeKV } from './kv-cache.ts'
import { rope } from './rope.ts'
import { multiply, rmsNorm, swiglu } from './rows.ts'
import { select } from './select.ts'
import type { TfTensor } from './tf.ts'

export type Shape = readonly [number, number]

export interface Trial {
  /** The bits of a part's rows. What it starts is started before it returns. */
  run(part: Part): Promise<Int32Array>
  free(): void
}

/** The product with a weight `[out, in]`, by limits that may change from run to run. */
export function productTrial(device: Device, [out, size]: Shape, limits: () => RowLimits): Trial {
  const weight = noise(device, [out, size], 1)
  const rows = noise(device, [trialRows, size], 2)
  return {
    async run({ from, count }) {
      const x = device.eager.slice(rows, [from, 0], [count, size])
      const product = multiply(device, { x, weight, limits: limits() })
      x.dispose()
      const found = await bitsOf(product, count)
      product.dispose()
      return found
    },
    free() {
      weight.dispose()
      rows.dispose()
    },
  }
}

/** The other ops that compute: sizes on both sides of what libraries take at once. */
export const opTrials: readonly ((device: Device) => Trial)[] = [
  (device) => normTrial(device, 256),
  (device) => normTrial(device, 576),
  (device) => swigluTrial(device, 768),
  (device) => swigluTrial(device, 33),
  (device) => selectTrial(device, 4096),
  // A single head of keys takes another kernel; the positions cross the ends of a bucket, and of a chunk.
  (device) => ropeTrial(device, { heads: 1, headSize: 64, start: 40 }),
  (device) => ropeTrial(device, { heads: 4, headSize: 64, start: 40 }),
  (device) => attentionTrial(device, { kvHeads: 1, group: 4, headSize: 64, start: 40 }),
  (device) => attentionTrial(device, { kvHeads: 2, group: 2, headSize: 64, start: 40 }),
  (device) => attentionTrial(device, { kvHeads: 2, group: 2, headSize: 32, start: chunkPositions - 20 }),
]

function normTrial(device: Device, size: number): Trial {
  const weight = handleOf(noise(device, [1, size], 3), [size])
  return opTrial(device, [size], {
    op: (out, [x]) => rmsNorm(device, out, x!, { weight, epsilon: 1e-5 }),
    rest: [weight],
  })
}

function swigluTrial(device: Device, size: number): Trial {
  return opTrial(device, [size, size], { op: (out, [gate, up]) => swiglu(device, out, gate!, up!) })
}

function selectTrial(device: Device, size: number): Trial {
  return opTrial(device, [size], {
    width: 2,
    op(scores, [logits], { count }) {
      const ids = newHandle([count], 'i32')
      select(device, { ids, scores }, logits!, {})
      clear(ids)
    },
  })
}

interface Heads {
  readonly headSize: number
  /** The position of the trial's first row. */
  readonly start: number
}

function ropeTrial(device: Device, { heads, headSize, start }: Heads & { heads: number }): Trial {
  const shape = [start + trialRows, headSize / 2] as const
  const [cos, sin] = [3, 4].map((seed) => handleOf(noise(device, shape, seed), shape))
  const cache = newCache(device, { layers: 1, width: headSize, capacity: start + trialRows })
  return opTrial(device, [heads * headSize], {
    op(out, [x], { from, count }) {
      rope(device, out, x!, { cos: cos!, sin: sin!, segments: [{ cache, start: start + from, count }] })
    },
    rest: [cos!, sin!],
  })
}

function attentionTrial(
  device: Device,
  { kvHeads, group, headSize, start }: Heads & { kvHeads: number; group: number },
): Trial {
  const [width, capacity] = [kvHeads * headSize, start + trialRows]
  const cache = newCache(device, { layers: 1, width, capacity })
  cache.headSize = headSize
  const shape = [capacity, width] as const
  const [keys, values] = [3, 4].map((seed) => handleOf(noise(device, shape, seed), shape))
  storeKV(device, keys!, values!, { layer: 0, segments: [{ cache, start: 0, count: capacity }] })
  clear(keys!)
  clear(values!)
  return opTrial(device, [group * width], {
    op(out, [queries], { from, count }) {
      const segments = [{ cache, start: start + from, count }]
      attention(device, out, queries!, { segments, layer: 0, headSize, scale: headSize ** -0.5 })
    },
    free: () => dropCache(cache),
  })
}

/** An op over rows of these widths, to rows of the first or of another `width`. */
function opTrial(
  device: Device,
  widths: readonly number[],
  {
    width = widths[0]!,
    op,
    rest = [],
    free = () => {},
  }: {
    width?: number
    op: (out: TfjsTensor, inputs: readonly TfjsTensor[], part: Part) => void
    rest?: readonly TfjsTensor[]
    free?: () => void
  },
): Trial {
  const rows = widths.map((width, i) => noise(device, [trialRows, width], i + 5))
  return {
    async run(part) {
      const { from, count } = part
      const inputs = rows.map((tensor, i) => {
        const shape = [count, widths[i]!]
        return handleOf(device.eager.slice(tensor, [from, 0], shape), shape)
      })
      const out = newHandle([count, width], 'f32')
      op(out, inputs, part)
      const found = await bitsOf(valueIn(device, out).tensor, count)
      for (const handle of [out, ...inputs]) clear(handle)
      return found
    },
    free() {
      for (const tensor of rows) tensor.dispose()
      for (const handle of rest) clear(handle)
      free()
    },
  }
}

function handleOf(tensor: TfTensor, shape: readonly number[]): TfjsTensor {
  const handle = newHandle(shape, 'f32')
  write(handle, tensor)
  return handle
}

/** The bits of a tensor's first rows. */
async function bitsOf(tensor: TfTensor, rows: number): Promise<Int32Array> {
  const values = await tensor.data()
  const own = values.slice(0, (values.length / tensor.shape[0]!) * rows)
  return new Int32Array(own.buffer)
}

function noise({ tf }: Device, shape: Shape, seed: number): TfTensor {
  return tf.tensor(numbers(shape[0] * shape[1], seed), shape, 'float32')
}
