// What is searched: skip sets as points, one flag for every sublayer of a model.

import { ArgumentError } from '../engine/errors.ts'
import { planSkip, type SkipSet } from '../model/skip.ts'

/** `[2 * layers]`: which sublayers are skipped, in the order in which they run. */
export type Point = readonly boolean[]

/** A point as text, a digit a sublayer, `1` where it is skipped: equal points have equal keys. */
export function keyOf(point: Point): string {
  return point.map((skipped) => (skipped ? '1' : '0')).join('')
}

/** The point of a key. Throws {@link ArgumentError} for what is none of so many sublayers. */
export function pointOf(key: string, sublayers: number): Point {
  if (key.length !== sublayers || /[^01]/.test(key)) {
    throw new ArgumentError(`"${key}" is no skip set of ${sublayers} sublayers; expected as many digits, each 0 or 1`)
  }
  return [...key].map((digit) => digit === '1')
}

/** The point of a skip set. Throws {@link ArgumentError} for layers that do not exist. */
export function pointOfSkip(skip: SkipSet, layers: number): Point {
  return planSkip(skip, layers).skipped
}

export function skipOf(point: Point): SkipSet {
  const layers = Array.from({ length: point.length / 2 }, (_, layer) => layer)
  return {
    attention: layers.filter((layer) => point[2 * layer]),
    mlp: layers.filter((layer) => point[2 * layer + 1]),
  }
}

/** Early exits: everything from a layer on, from the last layer to the first, at most `most` of them, evenly spread. */
export function exits(sublayers: number, most: number = sublayers): Point[] {
  const layers = sublayers / 2
  const count = Math.max(0, Math.min(layers, most))
  return Array.from({ length: count }, (_, i) => {
    const left = Math.round(((i + 1) * layers) / count)
    return Array.from({ length: sublayers }, (_, sublayer) => sublayer >= 2 * (layers - left))
  })
}

/** The point with these sublayers the other way. */
export function flipped(point: Point, ...sublayers: readonly number[]): Point {
  return point.map((skipped, sublayer) => (sublayers.includes(sublayer) ? !skipped : skipped))
}

/** Sublayers in which two points differ (Hamming 1950). */
export function distance(a: Point, b: Point): number {
  return a.reduce((sum, skipped, sublayer) => sum + (skipped === b[sublayer] ? 0 : 1), 0)
}
