// Greedy choice. The winners are one operation; their scores take ten more, which run only if somebody reads them: a draft
// of fixed length does not.

import type { Selection } from '../backend.ts'
import type { Device } from './device.ts'
import { fromHost, rowStarts, valuesAt } from './eager.ts'
import { matrixOf, rowsOf, type TfjsTensor, valueIn, write, writeLater } from './handle.ts'
import { free, wide } from './rows.ts'
import type { TfTensor } from './tf.ts'

/** Beside any difference from the highest logit its exponential is 0. */
const nothing = -1e4

/** The lowest f32 that is a number. */
const lowest = (2 ** -23 - 2) * 2 ** 127

/** Per row the id of the largest `logit + noise`, and later its logit and `log(sum(exp(logits)))`. */
export function select(
  device: Device,
  { ids, scores }: Selection<TfjsTensor>,
  logits: TfjsTensor,
  { noise }: { noise?: TfjsTensor | undefined },
): void {
  const { eager } = device
  const values = matrixOf(device, logits)
  if (noise) {
    const noisy = eager.add(values.tensor, rowsOf(device, noise, [noise.shape[1]!]))
    write(ids, eager.argMax(noisy))
    noisy.dispose()
    const winners = valueIn(device, ids)
    writeLater(scores, [values, winners], () => {
      const chosen = logitsAt(device, values.tensor, winners.tensor)
      const result = scoresOf(device, values.tensor, chosen)
      chosen.dispose()
      return result
    })
  } else {
    write(ids, eager.argMax(values.tensor))
    writeLater(scores, [values], () => scoresOf(device, values.tensor))
  }
}

/** The logit of one id a row, `[rows, 1]`. */
function logitsAt(device: Device, logits: TfTensor, winners: TfTensor): TfTensor {
  const starts = device.constant(`starts ${logits.shape.join()}`, () =>
    fromHost(device.tf, rowStarts(logits), [logits.shape[0]!]),
  )
  return valuesAt(device.eager, logits, { places: winners, starts })
}

/** `[rows, 2]`: the logit `chosen`, or else the highest, and the logarithm of the sum of the exponentials. */
function scoresOf(device: Device, logits: TfTensor, chosen?: TfTensor): TfTensor {
  const { eager } = device
  const highest = eager.max(logits)
  // The distance of minus infinity from itself would be no number, in a row that has nothing else.
  const number = device.constant(`number ${lowest}`, () => device.numbers([lowest], []))
  const from = eager.maximum(highest, number)
  const shifted = eager.sub(logits, from)
  const exponentials = wide(device, shifted, nothing, eager.exp)
  const total = eager.sum(exponentials)
  const logarithm = wide(device, total, 1, eager.log)
  const sum = eager.add(logarithm, highest)
  const scores = eager.concat([chosen ?? highest, sum], 1)
  free(highest, from, shifted, exponentials, total, logarithm, sum)
  return scores
}
