// Records the two stories of `npm start` as an SVG that plays itself, in slow motion: tokens come faster than anyone reads.
// Usage: npx tsx docs/record.ts > docs/two-stories.svg

import { type GenerationResult, generate, loadModel, type Model } from 'drafthorse'

const columns = 92
/** Seconds of the picture for one of the recording. */
const slower = 20
const lineHeight = 20
const charWidth = 8.4
const margin = 20

/** A piece of text that appears at some time, in seconds; `style` is a class of the picture. */
interface Piece {
  readonly text: string
  readonly at: number
  readonly style: 'plain' | 'dim' | 'bold' | 'accepted'
}

/** Tokens of one story with their times, from `start` on. */
async function story(
  model: Model,
  prompt: string,
  { draft, start }: { draft: 'none' | 'skip'; start: number },
): Promise<{ pieces: Piece[]; result: GenerationResult; end: number }> {
  const pieces: Piece[] = [{ text: prompt, at: start, style: 'dim' }]
  const stream = generate(model, prompt, { draft, maxNewTokens: 160 })
  const began = performance.now()
  let at = start
  for await (const event of stream) {
    if (event.type !== 'token') continue
    at = start + ((performance.now() - began) / 1000) * slower
    pieces.push({ text: event.text, at, style: event.source === 'draft' ? 'accepted' : 'plain' })
  }
  return { pieces, result: await stream.result, end: at }
}

/** Pieces broken into lines of at most `columns` characters, at spaces. */
function wrap(pieces: readonly Piece[]): Piece[][] {
  const lines: Piece[][] = [[]]
  let width = 0
  for (const { text, at, style } of pieces) {
    for (const word of text.split(/(?<= )|(?=\n)|(?<=\n)|(?= )/)) {
      if (word === '\n' || width + word.length > columns) {
        lines.push([])
        width = 0
        if (word === '\n' || word === ' ') continue
      }
      append(lines.at(-1)!, { text: word, at, style })
      width += word.length
    }
  }
  return lines
}

/** Adds a piece to a line, joined to the last one if both appear at once. */
function append(line: Piece[], piece: Piece): void {
  const last = line.at(-1)
  if (last && last.at === piece.at && last.style === piece.style) {
    line[line.length - 1] = { ...last, text: last.text + piece.text }
  } else line.push(piece)
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

function draw(lines: readonly (readonly Piece[])[], duration: number): string {
  const height = lines.length * lineHeight + 2 * margin
  const width = Math.ceil(columns * charWidth + 2 * margin)
  const rows = lines.map((line, row) => {
    const spans = line.map(({ text, at, style }) => {
      const show = `<set attributeName="visibility" to="visible" begin="loop.begin+${at.toFixed(2)}s" end="loop.end"/>`
      return `<tspan class="${style}" visibility="hidden">${escapeXml(text)}${show}</tspan>`
    })
    return `<text x="${margin}" y="${margin + (row + 0.75) * lineHeight}" xml:space="preserve">${spans.join('')}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img">
<title>One story told twice: plain decoding, then self-speculative decoding with the drafted tokens in green</title>
<style>
text { font: 14px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; fill: #d6deeb }
.dim { fill: #8792a6 } .bold { font-weight: bold; fill: #fff } .accepted { fill: #7fd88f }
</style>
<rect width="${width}" height="${height}" rx="8" fill="#141a24">
<animate id="loop" attributeName="opacity" values="1;1" dur="${duration.toFixed(1)}s" begin="0s;loop.end"/></rect>
${rows.join('\n')}
</svg>
`
}

async function main(): Promise<void> {
  await using model = await loadModel('stories')
  const prompt = 'Once upon a time, there was a little girl named Mia. She loved'
  await generate(model, prompt, { maxNewTokens: 32 }).result // compiled before it is timed
  const plain = await story(model, prompt, { draft: 'none', start: 1 })
  const next = plain.end + 0.5
  const speculative = await story(model, prompt, { draft: 'skip', start: next + 0.5 })
  const { stats } = speculative.result
  const identical = plain.result.tokens.join() === speculative.result.tokens.join()
  const figures = [
    `${identical ? 'identical' : 'DIFFERENT'} tokens: ${stats.newTokens};`,
    `tokens/s: ${plain.result.stats.tokensPerSecond?.toFixed(1)} plain, ${stats.tokensPerSecond?.toFixed(1)} self-speculative;`,
    `passes of the full model: ${plain.result.stats.rounds} and ${stats.rounds};`,
    stats.draftedTokens > 0
      ? `drafts accepted: ${stats.acceptedTokens} of ${stats.draftedTokens}`
      : 'nothing was drafted, which is not expected to pay here',
  ]
  const end = speculative.end + 0.5
  const lines = wrap([
    { text: '$ npm start\n\n', at: 0, style: 'dim' },
    { text: `Plain decoding, ${slower} times slower than it was\n`, at: 1, style: 'bold' },
    ...plain.pieces,
    { text: '\n\nSelf-speculative decoding, as much slower, drafted tokens in green\n', at: next, style: 'bold' },
    ...speculative.pieces,
    { text: `\n\n${figures.slice(0, 2).join(' ')}\n`, at: end, style: 'bold' },
    { text: figures.slice(2).join(' '), at: end, style: 'bold' },
  ])
  process.stdout.write(draw(lines, end + 6))
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
  process.exitCode = 1
})
