// How tokens are drafted and chosen: the options of every command that continues what it is given.

import { type Command, Option } from 'commander'
import type { GenerateOptions } from '../decode/options.ts'
import { type DraftLengthOption, decimal, draftLengthOption, wholeNumber } from './model-options.ts'

export interface SamplingOptions {
  readonly draft?: 'skip' | 'none'
  readonly draftLength: DraftLengthOption
  readonly temperature: number
  readonly topK?: number
  readonly topP?: number
  readonly minP?: number
  readonly repetitionPenalty?: number
  readonly seed?: number
}

export function addSamplingOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--draft <kind>', 'how to draft (default: skip where there is a skip set)').choices(['skip', 'none']),
    )
    .addOption(draftLengthOption())
    .option('--temperature <t>', '0 takes the most likely token, 1 samples as the model says', decimal, 0)
    .option('--top-k <n>', 'sample among the n most likely tokens', wholeNumber(0))
    .option('--top-p <p>', 'sample among the fewest tokens that have this probability together', decimal)
    .option('--min-p <p>', 'sample among tokens at least this many times as likely as the likeliest', decimal)
    .option('--repetition-penalty <x>', 'above 1, tokens that the text has already are less likely', decimal)
    .option('--seed <n>', 'the same seed gives the same text, drafting or not (default: any)', wholeNumber(0))
}

/** What `generate` takes of them. Options that do nothing, for there is no temperature, are named on standard error. */
export function readSampling(options: SamplingOptions): GenerateOptions {
  const { draft, draftLength, temperature, topK, topP, minP, repetitionPenalty, seed } = options
  const idle = Object.entries({ '--top-k': topK, '--top-p': topP, '--min-p': minP, '--seed': seed })
    .filter(([, value]) => temperature === 0 && value !== undefined)
    .map(([name]) => name)
  if (idle.length > 0) {
    process.stderr.write(`of no effect at temperature 0: ${idle.join(', ')}; give a --temperature above 0\n`)
  }
  return { draft, draftLength, temperature, topK, topP, minP, repetitionPenalty, seed }
}
