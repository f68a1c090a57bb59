// What the reports of all benchmarks share: where they ran, figures with their spread, and the table of passes.

import { cpus } from 'node:os'
import type { PassCost } from '../../decode/pass-cost.ts'
import type { Spread } from '../../decode/timing.ts'
import type { Backend, Capabilities } from '../../engine/backend.ts'
import type { WeightsSummary } from '../../model/weights.ts'
import { version } from '../info.ts'
import { formatTable } from '../table.ts'

/** The machine, for JSON. */
export interface Machine {
  readonly version: string
  readonly node: string
  readonly platform: string
  readonly cpu: string
  readonly cores: number
}

export function machine(): Machine {
  const platform = `${process.platform} ${process.arch}`
  return { version, node: process.version, platform, cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length }
}

/** The backend, for JSON. */
export type Runner = { readonly backend: string } & Pick<Capabilities, 'device' | 'kind' | 'threads' | 'rowInvariant'>

/** What reports tell of a backend, which may run in another process. */
export type ToldBackend = Pick<Backend, 'name' | 'capabilities'>

export function runner({ name, capabilities: { device, kind, threads, rowInvariant } }: ToldBackend): Runner {
  return { backend: name, device, kind, threads, rowInvariant }
}

/** Both in a line, for a model; `runtime` is what runs it. */
export function aboutRun(
  { name, backend }: { readonly name: string; readonly backend: ToldBackend },
  runtime = `Node ${process.version}`,
): string {
  const { cpu, cores } = machine()
  const { device, kind } = runner(backend)
  return `${name} on ${backend.name} (${device}, ${kind}); ${cpu}, ${cores} cores, ${runtime}`
}

/** The types in which a model's tensors run, and how many in each. */
export function typesOf({ summary }: { readonly summary: Pick<WeightsSummary, 'running'> }): string {
  return Object.entries(summary.running)
    .map(([type, tensors]) => `${type} (${tensors})`)
    .join(', ')
}

/** T(m), with the operations of a pass and the bytes that it uploads, where they are counted. */
export function passTable(costs: readonly PassCost[]): string {
  const counts = costs.some(({ operations }) => operations)
  const uploads = costs.some(({ uploaded }) => uploaded !== undefined)
  return formatTable(
    [
      { title: 'rows in a pass', align: 'right' },
      { title: 'ms', align: 'right' },
      { title: 'T(m)/T(1)', align: 'right' },
      ...(counts
        ? [
            { title: 'operations', align: 'right' as const },
            { title: 'us each', align: 'right' as const },
          ]
        : []),
      ...(uploads ? [{ title: 'bytes uploaded', align: 'right' as const }] : []),
    ],
    costs.map(({ rows, ms, ratio, operations, uploaded }) => [
      `${rows}`,
      figure(ms, 2),
      ratio.toFixed(2),
      ...(operations ? [`${operations.count}`, operations.microseconds.toFixed(1)] : []),
      ...(uploaded === undefined ? [] : [`${uploaded}`]),
    ]),
  )
}

/** What benchmarks tell of how far they are. */
export interface Progress {
  readonly onProgress?: (done: number, total: number) => void
}

/** Runs `body`; on a terminal with a line on stderr, such as "run 3 of 9", which is wiped in the end. */
export async function withProgress<T>(what: string, body: (progress: Progress) => Promise<T>): Promise<T> {
  if (!process.stderr.isTTY) return body({})
  try {
    return await body({
      onProgress: (done, total) => void process.stderr.write(`\r${what} ${done} of ${total}\u001b[K`),
    })
  } finally {
    process.stderr.write('\r\u001b[K')
  }
}

/** Prints the report as one line of JSON, or else the text. */
export function print(json: true | undefined, report: object, text: () => string): void {
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : text())
}

/** The median, and the quartiles in brackets. */
export function figure({ median, low, high }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${low.toFixed(digits)}-${high.toFixed(digits)})`
}
