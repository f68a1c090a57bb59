// Skip sets: which sublayers a draft leaves out.

import { ArgumentError } from '../engine/errors.ts'

/**
 * Sublayers to skip, by layer, as in the paper's skip_layers.json. Sublayer `2 * i` is layer i's attention, `2 * i + 1`
 * its MLP.
 */
export interface SkipSet {
  readonly attention: readonly number[]
  readonly mlp: readonly number[]
}

export const noSkip: SkipSet = { attention: [], mlp: [] }

/** A skip set as the model runs it: one flag per sublayer. */
export interface SkipPlan {
  /** `[2 * layers]`, in the order in which the sublayers run. */
  readonly skipped: readonly boolean[]
  /** The first skipped sublayer, or the number of sublayers: up to here a draft computes what the full model does. */
  readonly first: number
  /** Where all sublayers from `first` on are skipped: early exit. */
  readonly exits: boolean
  /** Sublayers that run. */
  readonly run: number
}

/** Checks a skip set against a model's layers. Throws {@link ArgumentError} naming a layer that does not exist. */
export function planSkip(skip: SkipSet, layers: number): SkipPlan {
  const skipped = new Array<boolean>(2 * layers).fill(false)
  for (const [kind, offset] of [
    ['attention', 0],
    ['mlp', 1],
  ] as const) {
    const list: unknown = skip?.[kind]
    if (!Array.isArray(list)) {
      throw new ArgumentError(
        `a skip set is { attention: number[], mlp: number[] }, but its "${kind}" is ${String(list)}`,
      )
    }
    for (const layer of list) {
      if (!Number.isSafeInteger(layer) || layer < 0 || layer >= layers) {
        throw new ArgumentError(`the skip set names ${kind} layer ${layer}; this model has layers 0 to ${layers - 1}`)
      }
      skipped[2 * layer + offset] = true
    }
  }
  const first = skipped.indexOf(true)
  return {
    skipped,
    first: first === -1 ? skipped.length : first,
    exits: first !== -1 && skipped.indexOf(false, first) === -1,
    run: skipped.filter((skip) => !skip).length,
  }
}
