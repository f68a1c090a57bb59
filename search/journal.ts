// The journal of searches: JSON lines, a header and then what happened, of which a killed search loses the last line
// at most.

import type { Spread } from '../decode/timing.ts'
import { ArgumentError } from '../engine/errors.ts'
import { quote } from '../model/load/json.ts'
import type { Evaluation } from './objective.ts'

export const journalFormat = 'drafthorse/search@1'

/** What all evaluations of a journal have in common. */
export interface JournalHeader {
  readonly format: typeof journalFormat
  readonly model: string
  readonly modelId: string
  readonly backend: string
  /** The type in which most weights run. */
  readonly dtype: string
  readonly threads: number
  readonly sublayers: number
  /** The objective's id. */
  readonly objective: string
  /** What each sublayer costs, over a plain pass, `[sublayers]`. */
  readonly costs: readonly number[]
  /** What a draft pass runs whatever is skipped, over a plain pass. */
  readonly around: number
  /** `verify[m - 1]`: a pass of the full model over m rows, over one of one row. */
  readonly verify: readonly number[]
  /** The longest draft that was considered. */
  readonly draftLengths: number
  readonly prompts: { readonly count: number; readonly tokens: number }
  /** Of this package. */
  readonly version: string
  /** ISO 8601. */
  readonly date: string
}

/** What ends a strategy's search; one of both at least. */
export interface Budget {
  readonly evaluations?: number | undefined
  readonly seconds?: number | undefined
}

/** A strategy's search begins, or goes on. */
export interface BeginRecord {
  readonly kind: 'begin'
  readonly strategy: string
  readonly seed: number
  readonly budget: Budget
}

/** An evaluation that a strategy's search was charged for. */
export interface PointRecord extends Evaluation {
  readonly kind: 'point'
  readonly strategy: string
  readonly seed: number
  /** From 0, in the order in which that search asked. */
  readonly n: number
  readonly key: string
  /** Milliseconds that the evaluation took; 0 where another search of the journal knew it. */
  readonly ms: number
}

/** What timed generation made of a set. */
export interface ConfirmedRecord {
  readonly kind: 'confirmed'
  readonly key: string
  readonly draftLength: number
  /** Tokens per second. */
  readonly plain: Spread
  readonly drafted: Spread
  /** Drafted over plain, pair by pair. */
  readonly speedup: Spread
  /** The same where a draft is as long as pays by what rounds take, as `generate` does unasked. */
  readonly costModel?: Spread
  /** What the objective says of the set. */
  readonly predicted: number
  /** Whether all texts were those of plain decoding. */
  readonly identical: boolean
  /** Where it was picked by an earlier timing: what decides then. */
  readonly again?: boolean
}

/** Why a strategy's search ended. */
export type EndReason = (typeof endReasons)[number]
export const endReasons = ['budget', 'exhausted', 'interrupted'] as const

export interface EndRecord {
  readonly kind: 'end'
  readonly strategy: string
  readonly seed: number
  /** The best point's key. */
  readonly best: string
  readonly reason: EndReason
}

export type JournalRecord = BeginRecord | PointRecord | ConfirmedRecord | EndRecord

/** A header or a record as the journal has it. */
export function journalLine(record: JournalHeader | JournalRecord): string {
  return `${JSON.stringify(record)}\n`
}

/** What a search is asked for again, where it goes on. Costs are not: they are measured once, and then those of the journal. */
export type SearchIdentity = Omit<JournalHeader, 'format' | 'costs' | 'around' | 'verify' | 'version' | 'date'>

/** Throws {@link ArgumentError} unless a journal is of this search: it says what differs. */
export function expectSameSearch(header: JournalHeader, wanted: SearchIdentity, where: string): void {
  const keys = ['modelId', 'sublayers', 'backend', 'dtype', 'threads', 'draftLengths'] as const
  const differs = keys
    .filter((key) => header[key] !== wanted[key])
    .map((key) => (key === 'modelId' ? modelDiffers(header, wanted) : told(key, header[key], wanted[key])))
  for (const key of ['count', 'tokens'] as const) {
    const [there, here] = [header.prompts[key], wanted.prompts[key]]
    if (there !== here) differs.push(told(`prompts.${key}`, there, here))
  }
  if (differs.length === 0 && header.objective !== wanted.objective) {
    differs.push(told('objective', header.objective, wanted.objective))
  }
  if (differs.length === 0) return
  throw new ArgumentError(
    `${where} is the journal of another search: ${differs.join('; ')}. Ask for the same, or name another journal`,
  )
}

function modelDiffers(header: JournalHeader, wanted: SearchIdentity): string {
  const of = ({ model, modelId }: SearchIdentity): string => `${quote(model)} with the id ${modelId.slice(0, 12)}`
  return `model is ${of(header)} there and ${of(wanted)} here`
}

function told(key: string, there: unknown, here: unknown): string {
  return `${key} is ${quote(there)} there and ${quote(here)} here`
}
