// How tokens are drafted and chosen: the options of every command that continues what it is given.

import type { Command } from 'commander'
import type { GenerateOptions } from '../decode/options.ts'
import type { SkipSet } from '../model/skip.ts'
import { addDraftOptions, type DraftOptions, readDrafting } from './draft-options.ts'
import { idleOptions, looseSeed, type SkipOptions } from './idle-options.ts'
import { decimal, wholeNumber } from './model-options.ts'

export interface SamplingOptions extends DraftOptions {
  readonly temperature: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  readonly seed?: number
}

export function addSamplingOptions(command: Command): Command {
  return addDraftOptions(command)
    .option('--temperature <t>', '0 takes the most likely token, 1 samples as the model says', decimal, 0)
    .option('--top-k <n>', 'sample among the n most likely tokens', wholeNumber(0))
    .option('--top-p <p>', 'sample among the fewest tokens that have this probability together', decimal)
    .option('--min-p <p>', 'sample among tokens at least this many times as likely as the likeliest', decimal)
    .option('--repetition-penalty <x>', 'above 1, tokens that the text has already are less likely', decimal)
    .option(
      '--seed <n>',
      'the same seed gives the same text, drafting or not; under --accept rejection, the same where --draft-length is the same number (default: any)',
      wholeNumber(0),
    )
}

/**
 * What `generate` takes of them, for a model that has a skip set or not. Options that do nothing beside the others, and a seed
 * that does not settle the text, are named on standard error. Throws `ArgumentError` and `NotFoundError` for a draft
 * vocabulary that cannot be read.
 */
export async function readSampling(
  options: SamplingOptions & SkipOptions,
  model: { readonly skip?: SkipSet | undefined },
): Promise<GenerateOptions> {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = options
  const drafting = await readDrafting(options)
  const has = {
    /** Looked for where it matters only: a file that holds it may be damaged. */
    get hasSet() {
      return model.skip !== undefined
    },
  }
  for (const line of [...idleOptions(options, has), ...looseSeed(options, has)]) process.stderr.write(`${line}\n`)
  return { ...drafting, temperature, topK, topP, minP, repetitionPenalty, seed }
}
