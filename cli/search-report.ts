// `drafthorse search report`: what a search found, in the terminal and as a page.

import { open, readFile, realpath, stat, writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { ArgumentError, NotFoundError } from '../engine/errors.ts'
import { putInPlace } from '../model/put-in-place-node.ts'
import { largestJournal, parseJournal, tooLarge } from '../search/journal-reader.ts'
import { chartScripts } from './report/chart-scripts.ts'
import { pageBeginning, renderPage } from './report/page.ts'
import { type SearchFigures, searchFigures } from './report/search-figures.ts'
import { searchPage } from './report/search-page.ts'
import { searchText } from './report/search-text.ts'
import { showsBlocks } from './terminal.ts'

/** What `--json` says it is. */
export const searchReportFormat = 'drafthorse/search-report@1'

interface Options {
  readonly html?: string
  readonly json?: true
}

export function searchReportCommand(): Command {
  return (
    new Command('report')
      .description('show what a search found, from its journal alone')
      .argument('<journal>', 'the file that drafthorse search wrote')
      .option('--html <file>', 'write a page with charts as well; it needs the package chart.js')
      .option('--json', 'one JSON object on standard output')
      .addHelpText(
        'after',
        `
Examples:
  $ drafthorse search report search.jsonl
  $ drafthorse search report search.jsonl --html search.html`,
      )
      // Commands above may have options of the same names, and then take them from here.
      .action((journal: string, _: Options, command: Command) => report(journal, command.optsWithGlobals<Options>()))
  )
}

async function report(journal: string, { html, json }: Options): Promise<void> {
  const figures = await readFigures(journal)
  if (html !== undefined) await writePage(html, figures)
  process.stdout.write(
    json
      ? `${JSON.stringify({ format: searchReportFormat, ...figures, ...(html !== undefined && { html }) })}\n`
      : searchText(figures, { columns: process.stdout.columns ?? 100, blocks: showsBlocks() }),
  )
  if (html !== undefined) process.stderr.write(`wrote ${html}\n`)
}

/**
 * Throws {@link NotFoundError} where there is no journal, {@link ModelFormatError} for one that is damaged, and
 * {@link ArgumentError} for one in which nothing stands yet.
 */
async function readFigures(path: string): Promise<SearchFigures> {
  const { header, records } = parseJournal(await readJournal(path), path)
  if (header) return searchFigures(header, records)
  throw new ArgumentError(`${path} has nothing in it yet; a search writes its header first`)
}

async function readJournal(path: string): Promise<Uint8Array> {
  const there = await stat(path).catch((cause: NodeJS.ErrnoException) => {
    if (cause.code !== 'ENOENT') throw cause
    throw new NotFoundError(`there is no journal ${path}; drafthorse search writes one`, { cause })
  })
  if (!there.isFile()) throw new ArgumentError(`${path} is not a file; a journal is one`)
  if (there.size > largestJournal) throw tooLarge(path, there.size)
  return readFile(path)
}

/** Whole or not at all. Throws {@link ArgumentError} for a place that cannot be written, or that holds no page of ours. */
async function writePage(path: string, figures: SearchFigures): Promise<void> {
  const text = renderPage({ ...searchPage(figures), scripts: await chartScripts() })
  try {
    // Where a link stands, what it leads to is replaced.
    const place = await realpath(path).catch(() => path)
    await expectReplaceable(place)
    await putInPlace(place, (temporary) => writeFile(temporary, text, { flag: 'wx' }))
  } catch (cause) {
    if (cause instanceof ArgumentError) throw cause
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new ArgumentError(`the page cannot be written to ${path}: ${why}; give --html another file`, { cause })
  }
}

/** What is not there, is empty, or begins as a page of ours does: never the journal. */
async function expectReplaceable(path: string): Promise<void> {
  const there = await stat(path).catch(() => undefined)
  if (!there) return
  if (there.isFile()) {
    await using handle = await open(path, 'r')
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(pageBeginning.length), { position: 0 })
    if (bytesRead === 0 || buffer.subarray(0, bytesRead).equals(Buffer.from(pageBeginning))) return
  }
  throw new ArgumentError(`${path} is there already and is no page of drafthorse; give --html another name`)
}
