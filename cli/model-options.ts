// The options that every command with a model has, and loading it with progress.

import { readFile } from 'node:fs/promises'
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { WeightDType } from '../engine/dtype.ts'
import { ArgumentError, NotFoundError } from '../engine/errors.ts'
import { defaultBackend } from '../engine/open.ts'
import { loadModel, type Model } from '../model/load-model.ts'
import { backendFrom } from './backend-module.ts'

export interface ModelOptions {
  readonly model: string
  readonly backend: string
  readonly dtype?: WeightDType
  readonly threads?: number
}

/** Adds them, each unless it is `false` here. */
export function addModelOptions(command: Command, { threads = true }: { readonly threads?: boolean } = {}): Command {
  command
    .option(
      '--model <name>',
      'stories (embedded), the path of a model, or OWNER/NAME of one that was pulled',
      'stories',
    )
    .option(
      '--backend <name>',
      'what runs it: a name of `drafthorse info`, or a module of your own (./mine.ts)',
      defaultBackend,
    )
    .addOption(
      new Option(
        '--dtype <type>',
        'the type in which matrices run (default: one that loses nothing; of stories the fastest)',
      ).choices(['f32', 'bf16', 'q8_0', 'q4_0', 'q4_1']),
    )
  return threads ? command.option('--threads <n>', 'threads, where the backend has a choice', wholeNumber(1)) : command
}

/** A parser of whole numbers for commander. */
export function wholeNumber(from: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isSafeInteger(value) || value < from) {
      throw new InvalidArgumentError(`Expected a whole number from ${from}.`)
    }
    return value
  }
}

/** A parser of numbers for commander. */
export function decimal(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value)) throw new InvalidArgumentError('Expected a number.')
  return value
}

/** A parser of lists of whole numbers for commander. */
export function numberList(text: string): number[] {
  if (!/^\s*\d+(\s*,\s*\d+)*\s*$/.test(text)) throw new InvalidArgumentError('Expected whole numbers, like 1,403,7.')
  return text.split(',').map(Number)
}

const policies = ['threshold', 'adaptive', 'cost-model'] as const

/** A draft length of the command line: a number of tokens, or a policy by its name. */
export type DraftLengthOption = number | (typeof policies)[number]

/** A parser of draft lengths for commander. */
export function draftLength(text: string): DraftLengthOption {
  const name = text.trim()
  const policy = policies.find((known) => known === name)
  if (policy) return policy
  if (/^\d{1,9}$/.test(name)) return Number(name)
  throw new InvalidArgumentError(
    `Expected a whole number from 0, or ${policies.map((known) => `"${known}"`).join(', ')}.`,
  )
}

/** `--draft-length`, and what holds where it is not given. */
export function draftLengthOption({ unsaid }: { readonly unsaid: DraftLengthOption }): Option {
  const what =
    'tokens to draft in a round: a number; as many as the draft is sure of (threshold), so that a share of them is accepted (adaptive), or as pay here (cost-model)'
  return new Option('--draft-length <n>', `${what} (default: ${unsaid})`).argParser(draftLength)
}

/**
 * The prompts of a text file, one a line, as many as `limit` at most. Throws {@link NotFoundError}, and
 * {@link ArgumentError} where the file has none.
 */
export async function readPrompts(file: string | URL, limit: number): Promise<string[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ENOENT') throw cause // whatever the file system throws has a code
    throw new NotFoundError(`there is no file ${file}; --prompts takes a text file with a prompt a line`, { cause })
  }
  const prompts = text.split(/\r?\n/).filter((line) => line.trim() !== '')
  if (prompts.length === 0) throw new ArgumentError(`${file} has no prompts; write one a line`)
  return prompts.slice(0, limit)
}

/** Loads the model of a command line; on a terminal with a line of progress on stderr, which is wiped in the end. */
export async function loadWithProgress(options: ModelOptions, signal: AbortSignal): Promise<Model> {
  const { model, backend, dtype, threads } = options
  const shows = process.stderr.isTTY
  try {
    return await loadModel(model, {
      backend: await backendFrom(backend),
      dtype,
      threads,
      signal,
      onProgress({ loaded, total }) {
        if (shows) process.stderr.write(`\rloading ${model}: ${Math.round((100 * loaded) / total)} %`)
      },
    })
  } finally {
    if (shows) process.stderr.write('\r\u001b[K')
  }
}
