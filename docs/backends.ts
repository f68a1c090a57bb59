// Writes the tables of docs/backends.md from what the command line measured. For each backend, in one folder:
//   drafthorse kernels --backend NAME --json > FOLDER/NAME.kernels.json      (a ":" of the name may be a "-")
//   drafthorse bench payoff --backend NAME --longest 7 --json > FOLDER/NAME.payoff.json
// Usage: npx tsx docs/backends.ts FOLDER [PAGE]

import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The parts of `drafthorse/kernels@1` that the tables show. */
interface Kernels {
  readonly backend: string
  readonly device: string
  readonly kind: string
  readonly rowInvariant: boolean | string
  readonly counts: { readonly ok: number; readonly failed: number }
  readonly ops: readonly {
    readonly op: string
    readonly dtype?: string
    /** Cases that ran, and that did not. */
    readonly cases: number
    readonly skipped: number
    readonly error?: number
    readonly rowInvariant?: boolean
    readonly speed?: { readonly oneRow: number; readonly eightRows: number; readonly shape: string }
  }[]
}

/** The parts of `drafthorse/bench-payoff@1`. */
interface Payoff {
  readonly threads: number
  readonly cpu: string
  readonly cores: number
  readonly node: string
  readonly passes: readonly {
    readonly rows: number
    readonly ratio: number
    readonly ms: { readonly median: number }
    readonly operations?: { readonly count: number; readonly microseconds: number }
  }[]
}

interface Measured {
  readonly kernels: Kernels
  readonly payoff: Payoff | undefined
}

function readFolder(folder: string): Measured[] {
  const parse = (file: string): unknown => JSON.parse(readFileSync(join(folder, file), 'utf8'))
  const files = readdirSync(folder)
  return files
    .filter((file) => file.endsWith('.kernels.json'))
    .sort()
    .map((file) => {
      const payoff = file.replace('.kernels.', '.payoff.')
      return {
        kernels: parse(file) as Kernels, // written by our own command line
        payoff: files.includes(payoff) ? (parse(payoff) as Payoff) : undefined, // likewise
      }
    })
}

function table(titles: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  const rule = titles.map((_, i) => (i === 0 ? '---' : '---:'))
  return [titles, rule, ...rows].map(line).join('\n')
}

function passes(all: readonly Measured[]): string {
  const sizes = [2, 4, 8]
  const titles = ['backend', 'a pass of one row, ms', ...sizes.map((m) => `T(${m})`), 'operations', 'us each']
  const rows = all.flatMap(({ kernels, payoff }) => {
    if (!payoff) return []
    const [first] = payoff.passes
    const ratios = sizes.map((m) => payoff.passes.find(({ rows }) => rows === m)?.ratio.toFixed(2) ?? '')
    const { count, microseconds } = first!.operations ?? {}
    const operations = [count === undefined ? '' : `${count}`, microseconds?.toFixed(0) ?? '']
    return [[`\`${kernels.backend}\``, first!.ms.median.toFixed(1), ...ratios, ...operations]]
  })
  return table(titles, rows)
}

/** A line an op and weight type, a column a backend, which says what it runs where it skips the type. */
function byOp(all: readonly Measured[], cell: (op: Kernels['ops'][number]) => string): string {
  const name = ({ op, dtype }: Kernels['ops'][number]): string => (dtype === undefined ? op : `${op} ${dtype}`)
  const found = (line: string) => all.map(({ kernels }) => kernels.ops.find((op) => name(op) === line))
  const lines = [...new Set(all.flatMap(({ kernels }) => kernels.ops.map(name)))].filter((line) =>
    found(line).some((op) => op && cell(op) !== ''),
  )
  const rows = lines.map((line) => [
    line,
    ...found(line).map((op, i) => {
      if (!op) return ''
      return op.cases === 0 && op.skipped > 0 ? `${typesOf(all[i]!.kernels)} only` : cell(op)
    }),
  ])
  return table(['op', ...all.map(({ kernels }) => `\`${kernels.backend}\``)], rows)
}

/** The weight types of which cases ran. */
function typesOf({ ops }: Kernels): string {
  const types = ops.flatMap(({ dtype, cases }) => (dtype !== undefined && cases > 0 ? [dtype] : []))
  return [...new Set(types)].join(', ')
}

function found(all: readonly Measured[]): string {
  const rows = all.map(({ kernels }) => {
    const { backend, device, kind, rowInvariant, counts } = kernels
    const verdict = rowInvariant === true ? 'yes' : rowInvariant === false ? 'no' : rowInvariant
    return [`\`${backend}\``, `${device} (${kind})`, `${verdict}`, `${counts.ok} of ${counts.ok + counts.failed}`]
  })
  return table(['backend', 'device', 'row-invariant', 'cases passed'], rows)
}

/** Puts each table between its markers. */
function fill(page: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce((text, [name, content]) => {
    const [begin, end] = [`<!-- ${name} -->`, `<!-- end of ${name} -->`]
    const [from, to] = [text.indexOf(begin), text.indexOf(end)]
    if (from < 0 || to < from) throw new Error(`the page has no markers ${begin} and ${end}`)
    return `${text.slice(0, from + begin.length)}\n\n${content}\n\n${text.slice(to)}`
  }, page)
}

const [folder, page = fileURLToPath(new URL('backends.md', import.meta.url))] = process.argv.slice(2)
if (folder === undefined) throw new Error('usage: npx tsx docs/backends.ts FOLDER [PAGE]')
const all = readFolder(folder)
const microseconds = (value: number | undefined): string => value?.toFixed(value < 10 ? 1 : 0) ?? ''
const filled = fill(readFileSync(page, 'utf8'), {
  found: found(all),
  errors: byOp(all, ({ error }) => (error === undefined ? '' : error.toExponential(1))),
  passes: passes(all),
  speed: byOp(all, ({ speed }) => (speed ? `${microseconds(speed.oneRow)} / ${microseconds(speed.eightRows)}` : '')),
})
writeFileSync(page, filled)
