// What benchmarks let a model continue: openings, the lines of a file, or the texts of a table as a user's turns.

import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { articlesOf } from '../../bench/articles.ts'
import { ArgumentError, NotFoundError } from '../../engine/errors.ts'
import type { Model } from '../../model/load-model.ts'
import { readPrompts, wholeNumber } from '../model-options.ts'

export interface PromptOptions {
  readonly prompts?: string
  readonly articles?: string
  readonly column: string
  readonly template: string
  readonly limit: number
}

export function addPromptOptions(command: Command): Command {
  return command
    .option('--prompts <file>', 'a text file, a prompt a line (default: the 16 openings of the embedded model)')
    .option('--articles <file>', 'a .csv or .jsonl file: a text a row, as what a user says to a model that chats')
    .option('--column <name>', 'the column of --articles that has the texts', 'text')
    .option('--template <text>', 'what a user says before each of --articles', 'Summarize: ')
    .option('--limit <n>', 'prompts to use at most, in the order of the file', wholeNumber(1), 16)
}

/** Prompts as token ids. Throws {@link NotFoundError} and {@link ArgumentError}. */
export function promptReader(options: PromptOptions): Promise<(model: Model) => Promise<number[][]>> {
  if (options.articles === undefined) return fromLines(options)
  if (options.prompts !== undefined) throw new ArgumentError('give --prompts or --articles, not both')
  return fromArticles(options.articles, options)
}

async function fromLines({ prompts, limit }: PromptOptions): Promise<(model: Model) => Promise<number[][]>> {
  const file = prompts ?? new URL('../../../models/stories/openings.txt', import.meta.url)
  const lines = await readPrompts(file, limit)
  return async ({ tokenizer }) => lines.map((line) => tokenizer.encode(line))
}

async function fromArticles(
  file: string,
  { column, template, limit }: PromptOptions,
): Promise<(model: Model) => Promise<number[][]>> {
  let content: string
  try {
    content = await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause // whatever the file system throws has a code
    throw new NotFoundError(`there is no file ${file}; --articles takes a .csv or .jsonl file`, { cause })
  }
  const texts = articlesOf(content, { name: file, column }).slice(0, limit)
  return async ({ chat }) => {
    const prompts: number[][] = []
    for (const text of texts) prompts.push(await chat.encode([{ role: 'user', content: `${template}${text}` }]))
    return prompts
  }
}
