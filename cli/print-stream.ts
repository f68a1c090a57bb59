// A generation's text on standard output as it comes, and its figures on standard error.

import type { GenerationResult } from '../decode/events.ts'
import type { GenerationStream } from '../decode/stream.ts'
import { statsReport } from './stats-report.ts'
import { summaryLine } from './summary.ts'
import { paintFor, printable, showsBlocks } from './terminal.ts'

/**
 * Streams text, or ids where there is `hasText` none. On a terminal drafted tokens are marked, control characters are left
 * out, and what stands `before` comes first, once it is sure that something follows. The figures are a line, or with
 * `stats` all there are.
 */
export async function printStream(
  stream: GenerationStream,
  { hasText, before = '', stats }: { hasText: boolean; before?: string; stats: boolean },
): Promise<GenerationResult> {
  const { isTTY } = process.stdout
  const paint = paintFor(process.stdout)
  const show = isTTY ? printable : (text: string): string => text
  let first = isTTY ? paint.dim(show(before)) : ''
  for await (const event of stream) {
    process.stdout.write(first)
    first = ''
    if (event.type !== 'token') continue
    const text = hasText ? show(event.text) : `${event.id} `
    process.stdout.write(event.source === 'draft' ? paint.accepted(text) : text)
  }
  process.stdout.write('\n')
  const result = await stream.result
  if (stats) printStats(result)
  else process.stderr.write(`${paintFor(process.stderr).dim(summaryLine(result))}\n`)
  return result
}

/** All figures of a generation, on standard error. */
export function printStats(result: GenerationResult): void {
  const { columns = 80 } = process.stderr // not a terminal: as wide as those of old
  process.stderr.write(`\n${statsReport(result, { columns: Math.min(columns, 100), blocks: showsBlocks() })}\n`)
}
