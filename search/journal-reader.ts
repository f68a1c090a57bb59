// Reading journals, which may be torn, damaged or hostile.

import { ModelFormatError } from '../engine/errors.ts'
import { asObject, parseJson, quote } from '../model/load/json.ts'
import {
  type Budget,
  endReasons,
  type JournalHeader,
  type JournalRecord,
  journalFormat,
  type PointRecord,
} from './journal.ts'
import { type Fields, fieldsOf } from './journal-values.ts'

/** Bytes. It has a number for each sublayer at most. */
const largestLine = 2 ** 20

/** Bytes: half a million evaluations. */
export const largestJournal: number = 2 ** 28

const newline = 10

/** What a journal's bytes hold. */
export interface Journal {
  /** Undefined where not even the header was written whole. */
  readonly header: JournalHeader | undefined
  readonly records: readonly JournalRecord[]
  /** Of the lines that are whole: what comes after them was torn, and is nothing. */
  readonly bytes: number
}

/**
 * Reads a journal. What follows the last newline is a line that was torn, and left out; kinds that are not known are passed
 * over. Throws {@link ModelFormatError} for any other damage, and for other versions of the format, naming `where` and the line.
 */
export function parseJournal(bytes: Uint8Array, where: string): Journal {
  if (bytes.length > largestJournal) throw tooLarge(where, bytes.length)
  const end = bytes.lastIndexOf(newline) + 1
  if (end === 0) {
    expectTornHeader(bytes, where)
    return { header: undefined, records: [], bytes: 0 }
  }
  let header: JournalHeader | undefined
  const records: JournalRecord[] = []
  const expectNext = createHistory()
  let start = 0
  for (let line = 1; start < end; line++) {
    const stop = bytes.indexOf(newline, start)
    const at = `${where}, line ${line}`
    const fields = lineOf(bytes.subarray(start, stop), at)
    if (header) {
      const record = recordOf(fields, header)
      if (record) {
        expectNext(record, at)
        records.push(record)
      }
    } else header = headerOf(fields, at)
    start = stop + 1
  }
  return { header, records, bytes: end }
}

export function tooLarge(where: string, bytes: number): ModelFormatError {
  return new ModelFormatError(`${where} has ${bytes} bytes; a journal has ${largestJournal} at most`)
}

/** Only what may be the start of a journal is taken for one that was torn: it will be written over. */
function expectTornHeader(bytes: Uint8Array, where: string): void {
  const start = new TextEncoder().encode(`{"format":"${journalFormat}"`)
  const differs = bytes.subarray(0, start.length).some((byte, i) => byte !== start[i])
  if (differs) throw new ModelFormatError(`${where} is no journal of a search; expected lines of JSON`)
}

function lineOf(bytes: Uint8Array, where: string): Fields {
  if (bytes.length > largestLine) {
    throw new ModelFormatError(`${where} has ${bytes.length} bytes; a line of a journal has ${largestLine} at most`)
  }
  return fieldsOf(asObject(parseJson(bytes, where), where), where)
}

function headerOf(of: Fields, where: string): JournalHeader {
  const format = of.text('format')
  if (format !== journalFormat) {
    throw new ModelFormatError(`${where} has the format ${quote(format)}; this version reads ${quote(journalFormat)}`)
  }
  const prompts = of.inside('prompts')
  const header: JournalHeader = {
    format,
    model: of.text('model'),
    modelId: of.text('modelId'),
    backend: of.text('backend'),
    dtype: of.text('dtype'),
    threads: of.whole('threads', 1),
    sublayers: of.whole('sublayers', 2),
    objective: of.text('objective'),
    costs: of.figures('costs', 'zero'),
    around: of.figure('around', 'zero'),
    verify: of.figures('verify', 'above zero'),
    draftLengths: of.whole('draftLengths', 1),
    prompts: { count: prompts.whole('count', 1), tokens: prompts.whole('tokens', 1) },
    version: of.text('version'),
    date: of.text('date'),
  }
  const { sublayers, costs, verify, draftLengths } = header
  if (costs.length !== sublayers) {
    throw new ModelFormatError(
      `${where}: "costs" has ${costs.length} numbers; expected one for each of ${sublayers} sublayers`,
    )
  }
  if (!costs.some((cost) => cost > 0)) {
    throw new ModelFormatError(`${where}: "costs" is 0 for all ${sublayers} sublayers; expected one above 0`)
  }
  expectVerify(verify, { draftLengths, where })
  return header
}

/** What is not so cannot have been measured, and would make any set pay, or none. */
function expectVerify(
  verify: readonly number[],
  { draftLengths, where }: { readonly draftLengths: number; readonly where: string },
): void {
  if (verify.length !== draftLengths + 1) {
    throw new ModelFormatError(
      `${where}: "verify" has ${verify.length} numbers; expected ${draftLengths + 1}, for passes of 1 row up to one more than "draftLengths"`,
    )
  }
  if (verify[0] !== 1) throw new ModelFormatError(`${where}: "verify"[0] is ${verify[0]}; expected 1, a plain pass`)
  for (const [i, cost] of verify.entries()) {
    const before = verify[i - 1] ?? 0
    if (cost >= before) continue
    throw new ModelFormatError(
      `${where}: "verify"[${i}] is ${cost}; expected ${before} at least, as one row fewer takes`,
    )
  }
}

/** Undefined for kinds that are not known. */
function recordOf(of: Fields, { sublayers }: JournalHeader): JournalRecord | undefined {
  const kind = of.text('kind')
  const search = (): { strategy: string; seed: number } => ({
    strategy: of.text('strategy'),
    seed: of.whole('seed', 0),
  })
  switch (kind) {
    case 'begin':
      return { kind, ...search(), budget: budgetOf(of.inside('budget')) }
    case 'point':
      return {
        kind,
        ...search(),
        n: of.whole('n', 0),
        key: of.point('key', sublayers),
        speedup: of.figure('speedup', 'above zero'),
        ...(of.has('drafted') && { drafted: of.figure('drafted', 'zero') }),
        draftLength: of.whole('draftLength', 0),
        survival: of.survival('survival'),
        draft: of.figure('draft', 'zero'),
        ms: of.figure('ms', 'zero'),
      }
    case 'confirmed':
      return {
        kind,
        key: of.point('key', sublayers),
        draftLength: of.whole('draftLength', 0),
        plain: of.spread('plain'),
        drafted: of.spread('drafted'),
        speedup: of.spread('speedup'),
        ...(of.has('costModel') && { costModel: of.spread('costModel') }),
        predicted: of.figure('predicted', 'above zero'),
        identical: of.truth('identical'),
        ...(of.has('again') && { again: of.truth('again') }),
      }
    case 'end':
      return { kind, ...search(), best: of.point('best', sublayers), reason: of.one('reason', endReasons) }
    default:
      return undefined
  }
}

function budgetOf(of: Fields): Budget {
  return {
    ...(of.has('evaluations') && { evaluations: of.whole('evaluations', 1) }),
    ...(of.has('seconds') && { seconds: of.figure('seconds', 'above zero') }),
  }
}

/** Throws {@link ModelFormatError} for what cannot follow: searches that did not begin, numbers out of turn, a point twice. */
function createHistory(): (record: JournalRecord, where: string) => void {
  const searches = new Map<string, Set<string>>()
  const evaluations = new Map<string, string>()
  return (record, where) => {
    if (record.kind === 'confirmed') return
    const { strategy, seed } = record
    const name = JSON.stringify([strategy, seed])
    const asked = searches.get(name)
    if (record.kind === 'begin') {
      if (!asked) searches.set(name, new Set())
      return
    }
    const search = `${quote(strategy)} with seed ${seed}`
    if (!asked) throw new ModelFormatError(`${where} is of ${search}, which no line before it begins`)
    if (record.kind === 'end') {
      if (asked.has(record.best)) return
      throw new ModelFormatError(`${where}: "best" is ${record.best}, which ${search} has not evaluated`)
    }
    if (record.n !== asked.size) {
      throw new ModelFormatError(
        `${where}: "n" is ${record.n}; expected ${asked.size}, the next evaluation of ${search}`,
      )
    }
    if (asked.has(record.key)) {
      throw new ModelFormatError(`${where} evaluates ${record.key} a second time for ${search}`)
    }
    asked.add(record.key)
    const worth = worthOf(record)
    const before = evaluations.get(record.key)
    if (before !== undefined && before !== worth) {
      throw new ModelFormatError(`${where} has another evaluation of ${record.key} than a line before it`)
    }
    evaluations.set(record.key, worth)
  }
}

function worthOf({ speedup, drafted, draftLength, survival, draft }: PointRecord): string {
  return JSON.stringify([speedup, drafted, draftLength, survival, draft])
}
