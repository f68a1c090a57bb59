// Quotations of source files in the docs: blocks marked `from=PATH`, whose lines must stand in that file as they are.

/** A line that stands for lines of the source that are left out. */
const gap = /^[ \t]*\/\/ \.\.\.$/m

/**
 * The first line of a quotation that does not stand in the source where it should, or undefined. What lies between two gaps
 * must stand there without a break, each line whole and as far in from the first as there; and one piece after the other. A
 * quotation of nothing is wrong too.
 */
export function misquoted(quotation: string, source: string): string | undefined {
  const lines = source.split(/\r?\n/)
  const pieces = piecesOf(quotation)
  if (pieces.length === 0) return quotation
  let from = 0
  for (const piece of pieces) {
    const found = lines.findIndex((_, at) => at >= from && matching(piece, lines.slice(at)) === piece.length)
    if (found === -1) {
      const most = Math.max(...lines.map((_, at) => (at < from ? 0 : matching(piece, lines.slice(at)))))
      return piece[most]
    }
    from = found + piece.length
  }
  return undefined
}

/** The lines between the gaps, without empty ones at either end. */
function piecesOf(quotation: string): string[][] {
  const pieces = quotation.split(gap).map((piece) => piece.replace(/^(\s*\n)+|\s+$/g, ''))
  return pieces.filter((piece) => piece !== '').map((piece) => piece.split('\n'))
}

/** How many lines of a piece stand at the beginning of these lines. */
function matching(piece: readonly string[], lines: readonly string[]): number {
  const shift = indentOf(lines[0] ?? '') - indentOf(piece[0]!)
  const differs = piece.findIndex((line, i) => indented(line, shift) !== lines[i])
  return differs === -1 ? piece.length : differs
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length
}

/** The line moved to the right, or to the left; undefined where it cannot be. */
function indented(line: string, by: number): string | undefined {
  if (line.trim() === '') return ''
  if (by >= 0) return ' '.repeat(by) + line
  return indentOf(line) >= -by ? line.slice(-by) : undefined
}
