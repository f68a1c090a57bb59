// What came out of comparing texts with those of plain decoding: counts by every part of the matrix, and the first differences.

import type { GenerationResult } from '../decode/events.ts'
import { boundaries } from './identity-matrix.ts'

/** One text of the matrix. */
export interface IdentityCase {
  readonly model: string
  readonly backend: string
  readonly threads: number
  readonly dtype: string
  readonly draft: string
  readonly draftLength: string
  readonly sampling: string
  readonly prompt: string
  readonly promptTokens: number
  readonly seed: number
  /** Texts that were made at once. */
  readonly batch: number
  /** How many of them of one prompt. */
  readonly samples: number
}

/** What is to be equal. */
export type Compared = Pick<GenerationResult, 'tokens' | 'text' | 'finishReason'>

export type Difference =
  /** Tokens part at this one; undefined where the text had ended. */
  | {
      readonly what: 'token'
      readonly index: number
      readonly plain: number | undefined
      readonly other: number | undefined
    }
  | { readonly what: 'text' | 'finishReason'; readonly plain: string; readonly other: string }
  /** Nothing came but an error. */
  | { readonly what: 'error'; readonly message: string }

/** What was compared for one name of one axis. */
export interface Part {
  readonly generations: number
  readonly tokens: number
  readonly differences: number
}

const axes = ['model', 'backend', 'dtype', 'draft', 'draftLength', 'sampling', 'prompt', 'batch', 'samples'] as const

export interface IdentityReport {
  readonly seed: number
  readonly maxNewTokens: number
  /** Drafted ones: plain texts that are compared with those of other threads are counted in `parts` alone. */
  readonly generations: number
  /** Of the drafted texts. */
  readonly tokens: number
  /** Generations that were not those of plain decoding. */
  readonly differences: number
  /** The first of them. */
  readonly found: readonly (IdentityCase & { readonly difference: Difference })[]
  /** By axis and name, `wasm:2` being a backend with two threads. */
  readonly parts: Readonly<Record<(typeof axes)[number], Readonly<Record<string, Part>>>>
  /** Passes that verified drafts on both sides of so many rows of context. */
  readonly crossed: readonly { readonly rows: number; readonly passes: number }[]
  /** Ways to draft that a model has not, such as its own skip set. */
  readonly leftOut: readonly string[]
}

export interface Tally {
  /** Of drafted texts. */
  tokens(): number
  /** Drafted texts. */
  generations(): number
  compared(at: IdentityCase, outcome: { tokens: number; difference: Difference | undefined }): void
  /** A pass that verified, from this position on. */
  pass(start: number, rows: number): void
  leaveOut(at: IdentityCase): void
  report(): IdentityReport
}

/** Differences that are told one by one. */
const mostFound = 10

export function tally({ seed, maxNewTokens }: { seed: number; maxNewTokens: number }): Tally {
  const sum = { generations: 0, tokens: 0, differences: 0 }
  const parts = Object.fromEntries(axes.map((axis) => [axis, {}])) as Record<string, Record<string, Part>> // empty ones
  const found: (IdentityCase & { difference: Difference })[] = []
  const crossed = new Map(boundaries.map((rows) => [rows, 0]))
  const leftOut = new Set<string>()

  return {
    tokens: () => sum.tokens,
    generations: () => sum.generations,
    compared(at, { tokens: compared, difference }) {
      const isDrafted = at.draft !== 'none'
      const tokens = isDrafted ? compared : 0
      const differs = difference ? 1 : 0
      for (const axis of axes) {
        const name = axis === 'backend' ? `${at.backend}:${at.threads}` : at[axis]
        const names = parts[axis]!
        const part = names[name] ?? { generations: 0, tokens: 0, differences: 0 }
        names[name] = {
          generations: part.generations + 1,
          tokens: part.tokens + tokens,
          differences: part.differences + differs,
        }
      }
      if (isDrafted) sum.generations++
      sum.tokens += tokens
      sum.differences += differs
      if (difference && found.length < mostFound) found.push({ ...at, difference })
    },
    pass(start, rows) {
      for (const [at, passes] of crossed) if (start < at && at < start + rows) crossed.set(at, passes + 1)
    },
    leaveOut: ({ model, draft }) => void leftOut.add(`${draft} of ${model}`),
    report: () => ({
      seed,
      maxNewTokens,
      ...sum,
      found,
      parts: sorted(parts),
      crossed: [...crossed].map(([rows, passes]) => ({ rows, passes })),
      leftOut: [...leftOut],
    }),
  }
}

/** The names of each axis in the order in which people count: 2 before 10. */
function sorted(parts: Readonly<Record<string, Readonly<Record<string, Part>>>>): IdentityReport['parts'] {
  const names = (axis: (typeof axes)[number]): Readonly<Record<string, Part>> => {
    const entries = Object.entries(parts[axis]!)
    return Object.fromEntries(entries.toSorted(([a], [b]) => a.localeCompare(b, 'en', { numeric: true })))
  }
  return Object.fromEntries(axes.map((axis) => [axis, names(axis)])) as IdentityReport['parts'] // an entry for each axis
}

/** Where two texts part; undefined where they are one. */
export function firstDifference(plain: Compared, other: Compared): Difference | undefined {
  const longer = Math.max(plain.tokens.length, other.tokens.length)
  for (let index = 0; index < longer; index++) {
    const [a, b] = [plain.tokens[index], other.tokens[index]]
    if (a !== b) return { what: 'token', index, plain: a, other: b }
  }
  for (const what of ['text', 'finishReason'] as const) {
    if (plain[what] !== other[what]) return { what, plain: plain[what], other: other[what] }
  }
  return undefined
}
