// `drafthorse search`: which sublayers of a model its drafts should skip.

import { extname } from 'node:path'
import { Command, InvalidArgumentError, Option } from 'commander'
import { ArgumentError } from '../engine/errors.ts'
import { strategies } from '../search/strategies/index.ts'
import { addPromptOptions } from './bench/prompts.ts'
import { interruptible } from './interrupt.ts'
import { addModelOptions, wholeNumber } from './model-options.ts'
import { runSearchCommand, type SearchCommandOptions } from './search/command.ts'
import { searchReportCommand } from './search-report.ts'

const help = `
A set is worth what drafting with it is expected to bring over plain decoding: how many drafted tokens the model would
accept on the prompts, found by replay, at what passes cost here, measured once. The best sets are then timed beside plain
decoding, and the fastest is kept for the model in the cache folder, from where every later run takes it; where none is
faster than plain decoding, nothing is kept.

With --journal a search that was killed goes on: the same command with --resume. Ctrl-C ends it with the best that was
found, which --out writes; it was not timed, and is not kept. Exit code 1 where a set changed the text.

Examples:
  $ drafthorse search
  $ drafthorse search --model ./smollm2.gguf --evaluations 100 --journal smollm2.jsonl --workers 4
  $ drafthorse search --model ./smollm2.gguf --evaluations 100 --journal smollm2.jsonl --workers 4 --resume
  $ drafthorse search --strategy all --evaluations 30 --journal all.jsonl --out skip_layers.json --no-save
  $ drafthorse search --prompts questions.txt --seconds 120 --json
  $ drafthorse search report all.jsonl`

export function searchCommand(): Command {
  const names = strategies.map(({ name }) => name)
  const command = new Command('search')
    .description('find which sublayers drafts should skip, time the best sets, and keep the fastest for the model')
    .addOption(
      new Option('--strategy <name>', 'how to look; all: one after the other')
        .choices([...names, 'all'])
        .default('bayesian'),
    )
    .option('--evaluations <n>', 'sets that a strategy may evaluate (default: 60)', wholeNumber(1))
    .addOption(
      new Option('--seconds <s>', 'time that a strategy may take, instead')
        .argParser(positive)
        .conflicts('evaluations'),
    )
    .option('--seed <n>', 'the same seed looks in the same places', wholeNumber(0), 1)
    .option('--max-new-tokens <n>', 'tokens by which the model continues each prompt', wholeNumber(1), 64)
    .option('--longest <n>', 'the longest draft to consider, 64 at most', wholeNumber(1), 12)
    .option('--journal <file>', 'write each evaluation there, as it comes')
    .option('--resume', 'go on with the journal')
    .option(
      '--workers <n>',
      'processes that evaluate, each with a model of its own; random, knapsack and clasp profit most',
      wholeNumber(1),
      1,
    )
    .option('--worker-threads <n>', 'threads of each of several', wholeNumber(1), 1)
    .option('--confirm <n>', 'sets to time; with 0 none is timed, and none kept', wholeNumber(0), 3)
    .option('--out <file>', 'write the set there too, among the sets of other models')
    .option('--no-save', 'do not keep the set for the model')
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', help)
    .action(async (options: SearchCommandOptions) => {
      process.exitCode = await interruptible((signal) => runSearchCommand(checked(options), { signal, worker }))
    })
  return addPromptOptions(addModelOptions(command)).addCommand(searchReportCommand())
}

/** Of the same kind as this file: the sources run as they are in tests. */
const worker = new URL(`./search/worker${extname(new URL(import.meta.url).pathname)}`, import.meta.url)

function checked(options: SearchCommandOptions): SearchCommandOptions {
  if (options.resume && options.journal === undefined) {
    throw new ArgumentError('--resume goes on with a journal; name it: --journal FILE')
  }
  return options
}

/** A parser for commander. */
function positive(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('Expected a number of seconds above 0.')
}
