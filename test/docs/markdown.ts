// Reads what the docs tests need from a Markdown file: fenced blocks, links, and the anchors of headings.

export interface Block {
  /** The first word of the fence's info string, in lower case; '' where there is none. */
  language: string
  /** What follows the language: `no-run: reason`, `file=NAME`, `cwd=repo`. */
  info: string
  /** The lines between the fences. */
  text: string
  /** Line number of the opening fence, from 1. */
  line: number
}

const fence = /^( {0,3}|\s*)(`{3,}|~{3,})\s*([^`]*)$/

/** Every fenced block, in order. Throws where a fence is never closed. */
export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = []
  let open: { block: Block; marker: string; indent: number; lines: string[] } | undefined
  for (const [i, line] of markdown.split(/\r?\n/).entries()) {
    if (!open) {
      const [, indent = '', marker, info = ''] = fence.exec(line) ?? []
      if (!marker) continue
      const [language = '', ...rest] = info.trim().split(/\s+/)
      const block = { language: language.toLowerCase(), info: rest.join(' '), text: '', line: i + 1 }
      open = { block, marker, indent: indent.length, lines: [] }
    } else if (isEnd(line, open.marker)) {
      blocks.push({ ...open.block, text: open.lines.join('\n') })
      open = undefined
    } else {
      open.lines.push(line.slice(Math.min(open.indent, line.length - line.trimStart().length)))
    }
  }
  if (open) throw new Error(`the block that opens at line ${open.block.line} is never closed`)
  return blocks
}

function isEnd(line: string, marker: string): boolean {
  const end = line.trim()
  return end.length >= marker.length && end === marker.charAt(0).repeat(end.length)
}

/** Targets of links, images and reference definitions, outside code. */
export function linksOf(markdown: string): string[] {
  const text = withoutCode(markdown)
  const forms = [
    /\]\(\s*<?([^)\s>]+)>?(?:\s+["'][^)]*)?\)/g,
    /^ {0,3}\[[^\]]+\]:\s*<?(\S+?)>?(?:\s|$)/gm,
    /\b(?:src|href)="([^"]+)"/g,
  ]
  return forms.flatMap((form) => [...text.matchAll(form)].map((match) => match[1] ?? ''))
}

/** The anchors of the headings, made as GitHub makes them. */
export function anchorsOf(markdown: string): Set<string> {
  const anchors = new Set<string>()
  for (const [, title = ''] of withoutBlocks(markdown).matchAll(/^#{1,6}\s+(.*?)\s*#*$/gm)) {
    const slug = title
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-')
    let anchor = slug
    for (let n = 1; anchors.has(anchor); n++) anchor = `${slug}-${n}`
    anchors.add(anchor)
  }
  return anchors
}

function withoutCode(markdown: string): string {
  return withoutBlocks(markdown).replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, '')
}

function withoutBlocks(markdown: string): string {
  const lines = markdown.split(/\r?\n/)
  for (const { line, text } of blocksOf(markdown)) {
    const count = text === '' ? 0 : text.split('\n').length
    lines.fill('', line - 1, line + count + 1)
  }
  return lines.join('\n')
}
