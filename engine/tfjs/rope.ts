// Rotary position embedding in Hugging Face's half-split layout. The rotation by a position is a matrix `[headSize,
// headSize]` of two diagonals, so a row is rotated by one product, which adds zeros to the two terms of the formula. Where
// products are dear there are four operations instead, element by element.

import type { Segments } from '../backend.ts'
import { type Device, paddedRows } from './device.ts'
import { rowsOf, type TfjsTensor, valueIn, write } from './handle.ts'
import type { TfjsCache } from './kv-cache.ts'
import { free } from './rows.ts'
import { spansOf } from './spans.ts'
import type { TfTensor } from './tf.ts'
import { drop, newValue } from './value.ts'

/** Positions whose rotations are made at once and kept: with heads of 64 they take 1 MB. */
const blockPositions = 64

/** Blocks that are kept: as many as the texts of a batch are likely to be in at once. */
const keptBlocks = 12

/** `cos` and `sin` `[positions, half]`. */
export function rope(
  device: Device,
  out: TfjsTensor,
  x: TfjsTensor,
  { cos, sin, segments }: { cos: TfjsTensor; sin: TfjsTensor; segments: Segments<TfjsCache> },
): void {
  if (device.eager.dearProducts) {
    rotateElements(device, out, x, { cos, sin, segments })
    return
  }
  const size = 2 * cos.shape[1]!
  const width = x.shape[1]!
  const wanted = device.queryAxes.get(width)
  const axes = device.eager.broadcasts && wanted?.at(-1) === size ? wanted : [width / size, size]
  const values = rowsOf(device, x, axes)
  const spans = spansOf(segments, paddedRows(device, x.shape[0]!), blockPositions)
  const positions = spans.flatMap((span) => span.positions)
  const shape = [positions.length, ...axes.slice(0, -2).map(() => 1), size, size]
  const key = `rotations ${cos.id} ${positions.join()}`
  const plain = device.ofPass(key, () => {
    const parts = spans.map((span) => rotationsOf(device, { cos, sin }, span.positions))
    if (parts.length === 1) return parts[0]!
    const all = device.eager.concat(parts, 0)
    free(...parts)
    return all
  })
  const rotations =
    shape.length === 3 ? plain : device.ofPass(`${key} ${shape.length}`, () => device.eager.reshape(plain, shape))
  write(out, device.eager.rowMatMul(values, rotations))
}

/** `x * cos + swapped * sin`, where the halves of `swapped` have changed places and the sines of the first are negative. */
function rotateElements(
  device: Device,
  out: TfjsTensor,
  x: TfjsTensor,
  { cos, sin, segments }: Tables & { segments: Segments<TfjsCache> },
): void {
  const { eager } = device
  const half = cos.shape[1]!
  const size = 2 * half
  const values = rowsOf(device, x, [x.shape[1]! / size, size])
  const rows = paddedRows(device, x.shape[0]!)
  const positions = spansOf(segments, rows, Number.POSITIVE_INFINITY).flatMap((span) => span.positions)
  const ofRows = (table: TfjsTensor, first: number): TfTensor =>
    device.ofPass(`elements ${table.id} ${first} ${positions.join()}`, () => {
      const list = device.integers(positions, [rows])
      const second = eager.gather(valueIn(device, table).tensor, list, 0)
      const sign = device.constant(`number ${first}`, () => device.numbers([first], []))
      const signed = eager.mul(second, sign)
      const both = eager.concat([signed, second], 1)
      const shaped = eager.reshape(both, [rows, 1, size])
      free(list, second, signed, both)
      return shaped
    })
  const places = device.constant(`swapped ${size}`, () =>
    device.integers(
      Array.from({ length: size }, (_, i) => (i + half) % size),
      [size],
    ),
  )
  const swapped = eager.gather(values, places, 2)
  const straight = eager.mul(values, ofRows(cos, 1))
  const turned = eager.mul(swapped, ofRows(sin, -1))
  write(out, eager.add(straight, turned))
  free(swapped, straight, turned)
}

interface Tables {
  readonly cos: TfjsTensor
  readonly sin: TfjsTensor
}

/** Rotations by positions of one block, `[positions, size, size]`. */
function rotationsOf(device: Device, tables: Tables, positions: readonly number[]): TfTensor {
  const block = Math.floor(positions[0]! / blockPositions)
  const places = positions.map((position) => position - block * blockPositions)
  const list = device.integers(places, [places.length])
  const rotations = device.eager.gather(blockOf(device, tables, block), list, 0)
  list.dispose()
  return rotations
}

/** A block belongs to the table of cosines, and goes with it. */
function blockOf(device: Device, tables: Tables, block: number): TfTensor {
  const kept = tables.cos.derived
  const key = `rotations ${tables.sin.id} ${block}`
  const known = kept.get(key)
  if (known) return known.tensor
  const oldest = kept.size >= keptBlocks ? kept.keys().next().value : undefined
  if (oldest !== undefined) {
    drop(kept.get(oldest)!)
    kept.delete(oldest)
  }
  const made = makeBlock(device, tables, block)
  kept.set(key, newValue(made))
  return made
}

function makeBlock(device: Device, { cos, sin }: Tables, block: number): TfTensor {
  const { eager } = device
  const [positions, half] = [cos.shape[0]!, cos.shape[1]!]
  const size = 2 * half
  const from = block * blockPositions
  const count = Math.min(blockPositions, positions - from)
  // Column j of a rotation is what makes output j: its own input times the cosine, the other half's times the sine.
  const diagonals = (table: TfjsTensor, pattern: (i: number, j: number) => number): TfTensor => {
    const rows = eager.slice(valueIn(device, table).tensor, [from, 0], [count, half])
    const both = eager.concat([rows, rows], 1)
    const columns = eager.reshape(both, [count, 1, size])
    const places = device.numbers(
      Array.from({ length: size * size }, (_, at) => pattern(Math.floor(at / size), at % size)),
      [size, size],
    )
    const placed = eager.mul(columns, places)
    free(rows, both, columns, places)
    return placed
  }
  const straight = diagonals(cos, (i, j) => (i === j ? 1 : 0))
  const turned = diagonals(sin, (i, j) => (i === j + half ? -1 : i + half === j ? 1 : 0))
  const sum = eager.add(straight, turned)
  free(straight, turned)
  return sum
}
