// `drafthorse` without a command: one story told twice by the embedded model, plainly and drafting for itself.

import { Command } from 'commander'
import type { GenerationResult } from '../decode/events.ts'
import { generate } from '../decode/generate.ts'
import type { RoundTrace } from '../decode/stats.ts'
import { ArgumentError } from '../engine/errors.ts'
import type { Model } from '../model/load-model.ts'
import { interruptedExit, interruptible } from './interrupt.ts'
import {
  addModelOptions,
  type DraftLengthOption,
  draftLengthOption,
  loadWithProgress,
  type ModelOptions,
  wholeNumber,
} from './model-options.ts'
import { describeSkip, percent } from './summary.ts'
import { formatTable } from './table.ts'
import { paintFor, printable } from './terminal.ts'

/** Drafts of two tokens show in every round what happens, and pay where anything does. */
const shownLength = 2

interface Options extends ModelOptions {
  readonly prompt: string
  readonly maxNewTokens: number
  readonly draftLength?: DraftLengthOption
  readonly json?: true
}

export function demoCommand(): Command {
  return addModelOptions(new Command('demo'))
    .description('tell one story twice, plainly and self-speculatively, and compare (what runs without a command)')
    .option('--prompt <text>', 'how the story begins', 'Once upon a time, there was a little girl named Mia. She loved')
    .addOption(draftLengthOption({ unsaid: shownLength }))
    .option('--max-new-tokens <n>', 'tokens to generate at most', wholeNumber(1), 160)
    .option('--json', 'one JSON object on standard output instead of the stories')
    .addHelpText(
      'after',
      `
Examples:
  $ drafthorse
  $ drafthorse demo --prompt "The wind blew the kite high" --draft-length 3
  $ drafthorse demo --json`,
    )
    .action(async (options: Options) => {
      process.exitCode = await interruptible((signal) => run(options, signal))
    })
}

async function run(options: Options, signal: AbortSignal): Promise<number> {
  await using model = await loadWithProgress(options, signal)
  if (!model.skip || !model.hasTokenizer) {
    const lack = model.skip ? 'a tokenizer' : 'a skip set'
    throw new ArgumentError(`${model.name} came without ${lack}, which the demo needs; see: drafthorse generate --help`)
  }
  const { prompt, maxNewTokens, draftLength = shownLength, json } = options
  const quiet = json === true
  const say = (text: string): void => void (quiet || process.stdout.write(text))
  const paint = paintFor(process.stdout)

  say(`${paint.bold('Plain decoding')}: one pass of the model for every token.\n\n`)
  const plain = await tell(model, prompt, { quiet, settings: { draft: 'none', maxNewTokens, signal } })
  if (plain.finishReason === 'aborted') return interruptedExit

  const marked =
    process.stdout.isTTY && !process.env['NO_COLOR'] ? ` ${paint.accepted('Green')} tokens were drafted.` : ''
  say(
    `\n${paint.bold('Self-speculative decoding')}: the model drafts with sublayers skipped${draftLength === 'cost-model' ? ' where that pays' : ''}, then checks itself.${marked}\n\n`,
  )
  const rounds: RoundTrace[] = []
  const speculative = await tell(model, prompt, {
    quiet,
    settings: { draft: 'skip', draftLength, maxNewTokens, signal, onRound: (round) => rounds.push(round) },
  })
  if (speculative.finishReason === 'aborted') return interruptedExit

  const comparison = compare(plain, speculative)
  if (quiet) {
    const { name, backend, summary } = model
    const { running } = summary
    const report = { format: 'drafthorse/demo@1', model: name, backend: backend.name, running, prompt, ...comparison }
    process.stdout.write(`${JSON.stringify({ ...report, plain, speculative })}\n`)
  } else {
    say(`\n${comparisonTable(plain, speculative)}\n\n${verdict(model, { plain, speculative, rounds, draftLength })}\n`)
  }
  return comparison.identical ? 0 : 1
}

async function tell(
  model: Model,
  prompt: string,
  { quiet, settings }: { quiet: boolean; settings: Parameters<typeof generate>[2] },
): Promise<GenerationResult> {
  const stream = generate(model, prompt, settings)
  if (quiet) return stream.result
  const paint = paintFor(process.stdout)
  process.stdout.write(paint.dim(printable(prompt)))
  for await (const event of stream) {
    if (event.type !== 'token') continue
    const text = printable(event.text)
    process.stdout.write(event.source === 'draft' ? paint.accepted(text) : text)
  }
  process.stdout.write('\n')
  return stream.result
}

interface Comparison {
  readonly identical: boolean
  /** Index of the first token that differs. */
  readonly firstDifference: number | undefined
  /** Speculative tokens per second over plain ones. */
  readonly speedup: number
}

function compare(plain: GenerationResult, speculative: GenerationResult): Comparison {
  const longest = Math.max(plain.tokens.length, speculative.tokens.length)
  let at = 0
  while (at < longest && plain.tokens[at] === speculative.tokens[at]) at++
  return {
    identical: at === longest,
    firstDifference: at === longest ? undefined : at,
    speedup: speed(speculative) / speed(plain),
  }
}

/** Tokens per second; a generation always has a token, and took time. */
function speed({ stats }: GenerationResult): number {
  return stats.tokensPerSecond ?? Number.NaN
}

function comparisonTable(plain: GenerationResult, speculative: GenerationResult): string {
  const { identical, firstDifference } = compare(plain, speculative)
  const row = (what: string, value: (result: GenerationResult) => string): string[] => [
    what,
    value(plain),
    value(speculative),
  ]
  const table = formatTable(
    [{ title: '' }, { title: 'plain', align: 'right' }, { title: 'self-speculative', align: 'right' }],
    [
      row('tokens', ({ tokens }) => `${tokens.length}`),
      row('tokens/s', (result) => speed(result).toFixed(1)),
      row('passes of the full model', ({ stats }) => `${stats.rounds}`),
      row('tokens per pass', ({ stats }) => (stats.newTokens / stats.rounds).toFixed(2)),
      row('drafts accepted', ({ stats }) =>
        stats.acceptanceRate === undefined
          ? '-'
          : `${stats.acceptedTokens} of ${stats.draftedTokens} (${percent(stats.acceptanceRate)})`,
      ),
      row('sublayers skipped in drafts', ({ stats }) => (stats.skip ? describeSkip(stats.skip) : '-')),
    ],
  )
  const tokens = plain.tokens.length
  const sameness = identical
    ? `Identical: yes, all ${tokens} tokens, compared one by one.`
    : `Identical: NO, token ${firstDifference} differs. This is a bug; please report it.`
  return `${table}\n\n${sameness}`
}

/** Says which way was faster, and why, from what was measured. */
export function verdict(
  { backend }: Pick<Model, 'backend'>,
  told: {
    readonly plain: GenerationResult
    readonly speculative: GenerationResult
    readonly rounds: readonly RoundTrace[]
    readonly draftLength: DraftLengthOption
  },
): string {
  const { plain, speculative, rounds, draftLength } = told
  const speedup = Number(compare(plain, speculative).speedup.toFixed(2)) // as shown
  const inAll = `In all: ${speedup.toFixed(2)} times the speed of plain decoding.`
  const checks = rounds.filter(({ drafted }) => drafted.length > 0)
  const wasMeasured = draftLength === 'cost-model'
  if (checks.length === 0) {
    const why = ['Nothing was drafted, so every pass was a plain one.', inAll]
    if (wasMeasured)
      why.push('Drafts are as long as pays by what passes take here; --draft-length 4 drafts in any case.')
    return why.join('\n')
  }
  const sum = (of: (round: RoundTrace) => number): number => checks.reduce((total, round) => total + of(round), 0)
  const plainPass = plain.stats.milliseconds.verify / plain.stats.rounds
  const pass = (sum(({ milliseconds }) => milliseconds.verify) / checks.length / plainPass).toFixed(1)
  const tokens = sum((round) => round.tokens.length)
  const most = Math.max(...checks.map((round) => round.tokens.length))
  const gave = `took ${pass} times as long as a plain pass and gave ${(tokens / checks.length).toFixed(1)} tokens, ${most} at most;`
  const lines = [
    checks.length === rounds.length
      ? `A pass that checks drafts ${gave}`
      : `${checks.length} of ${rounds.length} passes checked drafts. Such a pass ${gave}`,
    `drafting comes on top. ${inAll}`,
  ]
  const plainToken = plain.stats.milliseconds.decode / plain.tokens.length
  if (speedup < 1 && sum(({ milliseconds }) => milliseconds.round) / tokens > plainToken) {
    lines.push(
      `That is a slowdown: on the ${backend.name} backend (${backend.capabilities.device}) drafting and checking took longer than`,
      'the tokens that came of it take plainly. The gain is where reading the weights takes the time, for the rows of a pass',
      'share it: with a model too large for the cache, or on another backend.',
    )
  }
  return lines.join('\n')
}
