// Texts from tables, one a row: CSV (RFC 4180) or JSON lines.

import { ArgumentError } from '../engine/errors.ts'

/**
 * The texts of a column, in the table's order. `name` is the file's, by whose ending it is CSV or JSON lines. Throws
 * {@link ArgumentError} for another ending, and where there is no such column.
 */
export function articlesOf(content: string, { name, column }: { name: string; column: string }): string[] {
  const texts = rowsOf(content, name).map((row) => row[column])
  const missing = texts.findIndex((text) => typeof text !== 'string')
  if (texts.length === 0) throw new ArgumentError(`${name} has no rows`)
  if (missing >= 0) throw new ArgumentError(`row ${missing + 1} of ${name} has no text in a column "${column}"`)
  return texts.map(String)
}

type Row = Readonly<Record<string, unknown>>

function rowsOf(content: string, name: string): Row[] {
  if (/\.csv$/i.test(name)) {
    const [header = [], ...rows] = parseCsv(content)
    return rows.map((cells) => Object.fromEntries(header.map((title, i) => [title, cells[i]])))
  }
  if (!/\.jsonl$/i.test(name)) throw new ArgumentError(`${name} is neither a .csv nor a .jsonl file`)
  const lines = content.split(/\r?\n/)
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    try {
      const row: unknown = JSON.parse(line)
      return [Object(row)]
    } catch (cause) {
      throw new ArgumentError(`line ${i + 1} of ${name} is not JSON`, { cause })
    }
  })
}

/** The cells of each record; quoted ones may hold commas, line breaks, and quotes, which are doubled. */
export function parseCsv(text: string): string[][] {
  const cell = /(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\r?\n|$)/gy
  const records: string[][] = []
  let record: string[] = []
  while (cell.lastIndex < text.length || record.length > 0) {
    const at = cell.lastIndex
    const found = cell.exec(text)
    if (!found) throw new ArgumentError(`the CSV text is not well formed from character ${at} on`)
    const [, quoted, plain = '', end] = found
    record.push(quoted?.replaceAll('""', '"') ?? plain)
    if (end === ',') continue
    records.push(record)
    record = []
  }
  return records
}
