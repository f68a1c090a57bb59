// How tokens are drafted and accepted: the options of every command that continues what it is given.

import { readFile } from 'node:fs/promises'
import { type Command, Option } from 'commander'
import type { GenerateOptions } from '../decode/options.ts'
import { ArgumentError, NotFoundError } from '../engine/errors.ts'
import { type DraftLengthOption, decimal, draftLengthOption, wholeNumber } from './model-options.ts'

export interface DraftOptions {
  readonly draft?: 'none' | 'skip' | 'lookup' | 'cascade' | 'auto'
  readonly draftLength?: DraftLengthOption
  readonly exitLayer?: number
  readonly accept?: 'equality' | 'rejection'
  readonly draftTemperature?: number
  /** False where it was switched off. */
  readonly prefixReuse: boolean
  readonly draftVocabulary?: number
  readonly draftVocabularyText?: string
}

/** None has a default here, so that those of `generate` hold and what was said can be told from what was not. */
export function addDraftOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--draft <kind>',
        'who drafts: the model with sublayers skipped (skip), what follows the same words earlier in the text (lookup), lookup and then skip (cascade), what can and pays (auto), nobody (none) (default: auto)',
      ).choices(['none', 'skip', 'lookup', 'cascade', 'auto']),
    )
    .addOption(draftLengthOption({ unsaid: 'cost-model' }))
    .option('--exit-layer <n>', 'draft with the first n layers alone, in place of a skip set', wholeNumber(0))
    .addOption(
      new Option(
        '--accept <rule>',
        'a sampled draft stands where it is what the model draws (equality: the text is that of plain decoding), or as likely as the model has it (rejection: the same distribution) (default: equality)',
      ).choices(['equality', 'rejection']),
    )
    .option('--draft-temperature <t>', 'of drafts under --accept rejection (default: --temperature)', decimal)
    .option('--no-prefix-reuse', 'verify from the first sublayer on, also where the draft ran it already')
    .option('--draft-vocabulary <n>', 'drafts choose among n tokens; the full model among all', wholeNumber(1))
    .option('--draft-vocabulary-text <file>', 'its n most frequent tokens (default: those of the lowest ids)')
}

/** What `generate` takes of them. Throws {@link ArgumentError}, {@link NotFoundError}. */
export async function readDrafting(options: DraftOptions): Promise<GenerateOptions> {
  const { draft, draftLength, exitLayer, accept, draftTemperature, prefixReuse } = options
  return {
    draft,
    draftLength,
    exitLayer,
    accept,
    draftTemperature,
    reusePrefix: prefixReuse ? undefined : false,
    draftVocabulary: await readVocabulary(options),
  }
}

async function readVocabulary({
  draftVocabulary: size,
  draftVocabularyText: file,
}: DraftOptions): Promise<GenerateOptions['draftVocabulary']> {
  if (file === undefined) return size === undefined ? undefined : { size }
  if (size === undefined) {
    throw new ArgumentError('--draft-vocabulary-text names a text to count in; say how many: --draft-vocabulary 8000')
  }
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new NotFoundError(
      `${file} cannot be read; --draft-vocabulary-text takes a text like those that are to be generated`,
      { cause },
    )
  }
  if (text === '') throw new ArgumentError(`${file} is empty; --draft-vocabulary-text counts the tokens of a text`)
  return { size, text }
}
