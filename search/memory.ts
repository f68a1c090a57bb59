// What searches know: every point that was evaluated, by key, and for which searches.

import type { PointRecord } from './journal.ts'
import type { Evaluation } from './objective.ts'
import { type Point, pointOf } from './space.ts'

/** A point, and what it was found to be worth. */
export interface Found extends Evaluation {
  readonly key: string
  readonly point: Point
}

/** A point as the memory has it. */
export interface Remembered extends Found {
  /** Milliseconds that its evaluation took. */
  readonly ms: number
}

/** All points of a journal and of the searches that go on with it. */
export interface Memory {
  get(key: string): Remembered | undefined
  /** A point that was just evaluated. */
  add(remembered: Remembered): void
}

export function createMemory(records: readonly PointRecord[], sublayers: number): Memory {
  const known = new Map<string, Remembered>()
  for (const record of records) {
    const { key, ms } = record
    // The first record of a point is that of the search for which it was evaluated.
    if (!known.has(key)) known.set(key, { key, point: pointOf(key, sublayers), ...evaluationOf(record), ms })
  }
  return { get: (key) => known.get(key), add: (remembered) => void known.set(remembered.key, remembered) }
}

/** Of what has more beside it, the evaluation alone. */
export function evaluationOf({ speedup, drafted, draftLength, survival, draft }: Evaluation): Evaluation {
  return { speedup, ...(drafted !== undefined && { drafted }), draftLength, survival, draft }
}

/** What strategies are told of a point. */
export function toldOf({ speedup, drafted = speedup }: Evaluation): number {
  return drafted
}

/** The larger speed-up; of equal ones the first. */
export function better(best: Found | undefined, found: Found): Found {
  return best && best.speedup >= found.speedup ? best : found
}
