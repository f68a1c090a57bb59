// `drafthorse bench speculate`: plain decoding beside every draft and draft length.

import { readFile, writeFile } from 'node:fs/promises'
import { Command, InvalidArgumentError } from 'commander'
import { mergedPrior, skipFileWith } from '../../bench/save-costs.ts'
import { benchSpeculate, type SpeculateBench } from '../../bench/speculate.ts'
import { drafts, policies, savings } from '../../bench/speculate-ways.ts'
import { ArgumentError } from '../../engine/errors.ts'
import { parseJson } from '../../model/load/json.ts'
import type { Model } from '../../model/load-model.ts'
import { putInPlace } from '../../model/put-in-place-node.ts'
import { saveSkip } from '../../model/skip-cache.ts'
import { interruptible } from '../interrupt.ts'
import { addModelOptions, loadWithProgress, type ModelOptions, wholeNumber } from '../model-options.ts'
import { addPromptOptions, type PromptOptions, promptReader } from './prompts.ts'
import { machine, print, runner, withProgress } from './report.ts'
import { describeSpeculate } from './speculate-text.ts'

interface Options extends ModelOptions, PromptOptions {
  readonly maxNewTokens: number
  readonly drafts: string[]
  readonly draftLengths: string[]
  readonly savingsAt: number
  readonly repeats: number
  readonly longest: number
  readonly passes: number
  readonly savings: boolean
  readonly saveCosts?: string | true
  readonly json?: true
}

const examples = `
Exit code 1 where a text is not that of plain decoding.

Examples:
  $ drafthorse bench speculate
  $ drafthorse bench speculate --dtype f32 --threads 2 --drafts skip,auto --draft-lengths 2,3,4,cost-model
  $ drafthorse bench speculate --model ./smollm2.gguf --articles news.csv --limit 8 --drafts lookup,auto
  $ drafthorse bench speculate --drafts skip --save-costs`

export function speculateCommand(): Command {
  const command = new Command('speculate')
    .description('plain decoding beside every draft and draft length, interleaved, and what they could bring at most')
    .option('--max-new-tokens <n>', 'tokens to generate for each prompt', wholeNumber(1), 128)
    .option('--drafts <list>', `ways to draft: ${Object.keys(drafts).join(', ')}`, draftNames, [
      'skip',
      'lookup',
      'auto',
    ])
    .option('--draft-lengths <list>', `numbers of tokens, and ${Object.keys(policies).join(', ')}`, lengthNames, [
      '2',
      '4',
      ...Object.keys(policies),
    ])
    .option('--repeats <n>', 'times that each prompt is decoded in each way', wholeNumber(1), 1)
    .option(
      '--longest <n>',
      'the longest draft to consider, with which is seen how far drafts hold',
      wholeNumber(1),
      12,
    )
    .option('--passes <n>', 'passes of each kind that are timed', wholeNumber(1), 9)
    .option(
      '--savings-at <n>',
      'the draft length at which prefix reuse and a draft vocabulary are tried',
      wholeNumber(1),
      4,
    )
    .option('--no-savings', 'leave these two out')
    .option(
      '--save-costs [file]',
      'keep costs and survival with the skip set: in the cache folder, or in this skip file',
    )
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', examples)
    .action(async (options: Options) => {
      process.exitCode = await interruptible((signal) => run(options, signal))
    })
  return addPromptOptions(addModelOptions(command))
}

async function run(options: Options, signal: AbortSignal): Promise<number> {
  const read = await promptReader(options)
  await using model = await loadWithProgress(options, signal)
  if (options.saveCosts && !(model.skip && options.drafts.includes('skip'))) {
    throw new ArgumentError(
      `--save-costs keeps what drafts of the model's own skip set cost: name skip among --drafts${model.skip ? '' : `, and find a set for ${model.name} first`}`,
    )
  }
  const { maxNewTokens, repeats, longest, passes } = options
  const prompts = await read(model)
  const result = await withProgress('run', (progress) =>
    benchSpeculate(model, {
      prompts,
      maxNewTokens,
      repeats,
      longest,
      passes,
      drafts: options.drafts,
      draftLengths: options.draftLengths,
      savings: options.savings ? savings : [],
      savingsAt: `${options.savingsAt}`,
      signal,
      ...progress,
    }),
  )
  const { name, skip, summary, backend } = model
  const about = { ...machine(), ...runner(backend), model: name, skip, running: summary.running }
  const report = { format: 'drafthorse/bench-speculate@1', ...about, ...result }
  print(options.json, report, () => describeSpeculate(model, result))
  if (options.saveCosts) process.stderr.write(`costs kept in ${await keepCosts(model, result, options.saveCosts)}\n`)
  const differs = result.rows.some(({ identical }) => identical < result.prompts)
  return differs || result.savings.some(({ identical }) => !identical) ? 1 : 0
}

/** Returns where they are. */
async function keepCosts(model: Model, { attainable }: SpeculateBench, where: string | true): Promise<string> {
  const measured = attainable.find(({ draft }) => draft === 'skip')!
  const skip = model.skip!
  if (where === true) return saveSkip(model, skip, { ...mergedPrior(model.skipPrior, model, measured) })
  const content = await readFile(where).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
  })
  const json = content && parseJson(content, where)
  const text = skipFileWith(json, { where, model, skip, attainable: measured })
  await putInPlace(where, (temporary) => writeFile(temporary, text, { flag: 'wx' }))
  return where
}

/** A parser for commander: names of drafts, each once. */
function draftNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  const stranger = names.find((name) => !Object.hasOwn(drafts, name))
  if (stranger === undefined) return [...new Set(names)]
  throw new InvalidArgumentError(`There is no draft "${stranger}"; there is ${Object.keys(drafts).join(', ')}.`)
}

/** A parser for commander: each length once, and none of 0, which is plain decoding and always measured. */
function lengthNames(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.every((name) => Object.hasOwn(policies, name) || /^[1-9]\d{0,5}$/.test(name))) return [...new Set(names)]
  const known = Object.keys(policies).map((name) => `"${name}"`)
  throw new InvalidArgumentError(`Expected numbers from 1, or ${known.join(', ')}: 0 is plain decoding.`)
}
