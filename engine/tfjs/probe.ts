// Finds how the rows of a device can be made independent of each other: which of its products, of how many rows each,
// gives a row the same bits alone and among others. Nothing documents that, and it differs by processor and by shape.

import { agree, type Part, trialParts, trialRows } from '../row-trials.ts'
import type { Device, RowLimits } from './device.ts'
import { opTrials, productTrial, type Shape, type Trial } from './trials.ts'

type Kernel = RowLimits['kernel']

/** More rows than this go through several products, so that no number of rows is used that was not tried. */
export const mostRows = 32

/** From the least trouble to the most: with several kernels a row's own keeps its bits in some range of rows only. */
const ranges = [
  [1, mostRows],
  [2, mostRows],
  [2, 15],
  [2, 7],
  [4, 6],
] as const

/** Where no range holds, all products have one number of rows, so that only a row's place among them could matter. */
export const widths = [8, 6, 4, 1] as const

/** `[out, in]` of weights, on both sides of the blocks of common libraries. */
const weights = [
  [64, 64],
  [7, 33],
  [40, 2048],
  [128, 256],
  [256, 256],
] as const

/** Of the embedded model and of SmolLM2-135M: tried where a library has several kernels, which choose by size as well. */
const largeWeights = [
  [768, 256],
  [4096, 256],
  [256, 768],
  [192, 576],
] as const

/**
 * Values of a weight up to which the small kernel is the quicker: it wakes no threads, but slows down with the rows once
 * the weight is far larger than the caches.
 */
const smallWeight = 2 ** 24

/** Of these what a weight of a model is tried with: what decoding uses, and prompts. */
const fewParts = trialParts.filter(({ from, count }) => count <= 9 || (from === 0 && count === mostRows))

export interface Use {
  /** The kernels there are, the one to be preferred first. */
  readonly kernels: readonly Kernel[]
  /** Makes the device's backend the current one: called after every wait. */
  readonly activate: () => void
}

/** Sets the device's limits to the first that hold, and says whether any do. */
export async function findLimits(device: Device, use: Use): Promise<boolean> {
  let found = false
  for (const limits of candidates(use.kernels)) {
    device.limits = limits
    found = await allHold(device, use)
    if (found) break
  }
  if (!found) device.limits = { kernel: use.kernels[0]!, min: 1, max: mostRows }
  use.activate()
  device.forget()
  return found
}

/**
 * Gives products with weights `[out, in]` limits of their own, the device's where these hold. Says whether any do. What was
 * found for a shape stays, for rows may be cached that were computed so.
 */
export async function fitLimits(device: Device, shape: Shape, { kernels, activate }: Use): Promise<boolean> {
  const key = shape.join()
  if (device.shapeLimits.has(key)) return true
  if (device.unfit.has(key)) return false
  const [out, size] = shape
  const isSmall = out * size < smallWeight
  const order = kernels.filter((kernel) => (kernel === 'small') === isSmall)
  order.push(...kernels.filter((kernel) => !order.includes(kernel)))
  const usual = { ...device.limits, kernel: order[0]! }
  activate()
  let limits: RowLimits = device.limits
  // As tall as tells: past that it is only more of the same.
  const trial = productTrial(device, [Math.min(out, Math.ceil(smallWeight / size)), size], () => limits)
  let found = false
  for (limits of [usual, ...candidates(order)]) {
    found = await holds(trial, { parts: fewParts, activate })
    activate()
    if (found) break
  }
  trial.free()
  if (found) device.shapeLimits.set(key, limits)
  else device.unfit.add(key)
  return found
}

function candidates(kernels: readonly Kernel[]): RowLimits[] {
  return [ranges, widths.map((width) => [width, width] as const)].flatMap((group) =>
    kernels.flatMap((kernel) => group.map(([min, max]) => ({ kernel, min, max }))),
  )
}

async function allHold(device: Device, { kernels, activate }: Use): Promise<boolean> {
  const shapes: readonly Shape[] = kernels.length > 1 ? [...weights, ...largeWeights] : weights
  const makers = [
    ...shapes.map((shape) => (device: Device) => productTrial(device, shape, () => device.limits)),
    ...opTrials,
  ]
  for (const make of makers) {
    activate()
    const trial = make(device)
    const good = await holds(trial, { parts: trialParts, activate })
    activate()
    trial.free()
    if (!good) return false
  }
  return true
}

/** Whether each part of a trial's rows has the bits that these rows have among all. */
async function holds(
  trial: Trial,
  { parts, activate }: { parts: readonly Part[]; activate: () => void },
): Promise<boolean> {
  activate()
  const all = await trial.run({ from: 0, count: trialRows })
  const size = all.length / trialRows
  for (const part of parts) {
    activate()
    if (!agree(await trial.run(part), all.subarray(part.from * size))) return false
  }
  return true
}
