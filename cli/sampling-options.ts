// How tokens are drafted and chosen: the options of every command that continues what it is given.

import type { Command } from 'commander'
import type { GenerateOptions } from '../decode/options.ts'
import { addDraftOptions, type DraftOptions, readDrafting } from './draft-options.ts'
import { idleOptions } from './idle-options.ts'
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
    .option('--seed <n>', 'the same seed gives the same text, drafting or not (default: any)', wholeNumber(0))
}

/**
 * What `generate` takes of them. Options that do nothing beside the others are named on standard error. Throws
 * `ArgumentError` and `NotFoundError` for a draft vocabulary that cannot be read.
 */
export async function readSampling(options: SamplingOptions): Promise<GenerateOptions> {
  const { temperature, topK, topP, minP, repetitionPenalty, seed } = options
  const drafting = await readDrafting(options)
  for (const line of idleOptions(options)) process.stderr.write(`${line}\n`)
  return { ...drafting, temperature, topK, topP, minP, repetitionPenalty, seed }
}
