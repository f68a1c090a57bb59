// `drafthorse bench identity`: drafting changes no token, shown for as many tokens as one likes.

import { Command, InvalidArgumentError, Option } from 'commander'
import { benchIdentity } from '../../bench/identity.ts'
import { draftLengths, drafts, prompts, samplings } from '../../bench/identity-matrix.ts'
import type { Difference, IdentityReport } from '../../bench/identity-report.ts'
import type { Backend } from '../../engine/backend.ts'
import type { WeightDType } from '../../engine/dtype.ts'
import { openBackend } from '../../engine/open.ts'
import { backendFrom } from '../backend-module.ts'
import { interruptible } from '../interrupt.ts'
import { numberList, readPrompts, wholeNumber } from '../model-options.ts'
import { formatTable } from '../table.ts'
import { machine, print, runner, withProgress } from './report.ts'

interface Options {
  readonly model: string[]
  readonly backends: string[]
  readonly threads: number[]
  readonly dtypes: WeightDType[]
  readonly drafts?: string[]
  readonly draftLengths?: string[]
  readonly samplings?: string[]
  readonly promptLengths?: string[]
  readonly batches: 'with' | 'only' | 'samples' | 'without'
  readonly tokens: number
  readonly maxNewTokens: number
  readonly seed: number
  readonly json?: true
}

/** From so many tokens on, all boundaries are to have been crossed. */
const longRun = 200_000

/** Backends of which one with other threads is another to be tested. */
const threaded: readonly string[] = ['wasm']

const dtypes: readonly WeightDType[] = ['f32', 'bf16', 'q8_0', 'q4_0', 'q4_1']

export function identityCommand(): Command {
  return new Command('identity')
    .description('drafting changes no token: texts of every draft beside those of plain decoding')
    .option('--model <names...>', 'stories (embedded), paths of models, or names of pulled ones', ['stories'])
    .option(
      '--backends <list>',
      'backends, names or modules of your own; where a package of TensorFlow.js is installed also tfjs:tensorflow, tfjs:wasm or tfjs:cpu, with --dtypes f32',
      nameList,
      ['reference', 'wasm'],
    )
    .option('--threads <list>', 'numbers of threads of the wasm backend', numberList, [1, 2, 3])
    .addOption(listOf('--dtypes', 'types in which matrices run, where a backend runs them', dtypes).default(dtypes))
    .addOption(listOf('--drafts', 'ways to draft (default: all)', Object.keys(drafts)))
    .addOption(listOf('--draft-lengths', 'draft lengths (default: all)', Object.keys(draftLengths)))
    .addOption(listOf('--samplings', 'ways to choose tokens (default: all)', Object.keys(samplings)))
    .addOption(listOf('--prompt-lengths', 'prompts by their lengths (default: all)', Object.keys(prompts)))
    .addOption(
      new Option(
        '--batches <how>',
        'several texts at once: beside single ones; alone, of several prompts (only) or samples of one; or not at all',
      )
        .choices(['with', 'only', 'samples', 'without'])
        .default('with'),
    )
    .option('--tokens <n>', 'tokens to compare; whatever it is, all parts get their share', wholeNumber(1), longRun)
    .option('--max-new-tokens <n>', 'tokens of each text at most', wholeNumber(1), 48)
    .option('--seed <n>', 'of the order, the prompts and the samplings', wholeNumber(0), 1)
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      `
Exit code 1 where a text differs, and where in ${longRun} tokens or more no verification crossed one of the boundaries.

Examples:
  $ drafthorse bench identity --tokens 5000
  $ drafthorse bench identity --backends reference,wasm,tfjs:tensorflow   # with npm install @tensorflow/tfjs-node
  $ drafthorse bench identity --backends wasm --threads 2 --dtypes q8_0 --drafts own-set --draft-lengths 4 --tokens 1000`,
    )
    .action(async (options: Options) => {
      process.exitCode = await interruptible((signal) => run(options, signal))
    })
}

async function run(options: Options, signal: AbortSignal): Promise<number> {
  const { model: models, promptLengths, json, ...rest } = options
  const texts = await readPrompts(new URL('../../../models/stories/openings.txt', import.meta.url), 16)
  const backends: Backend[] = []
  /** As the command line has them, by their own names. */
  const given = new Map<string, string>()
  try {
    for (const name of options.backends) {
      const module = await backendFrom(name)
      for (const threads of threaded.includes(name) ? new Set(options.threads) : [undefined]) {
        const backend = await openBackend(module, { threads })
        backends.push(backend)
        given.set(backend.name, name)
      }
    }
    const result = await withProgress('token', (progress) =>
      benchIdentity({ ...rest, models, backends, prompts: promptLengths, texts, signal, ...progress }),
    )
    const report = { format: 'drafthorse/bench-identity@1', ...machine(), backends: backends.map(runner), ...result }
    const never = result.tokens >= longRun ? result.crossed.filter(({ passes }) => passes === 0) : []
    print(json, report, () => describe(result, { never, given }))
    return result.differences > 0 || never.length > 0 ? 1 : 0
  } finally {
    for (const backend of backends) await backend.dispose()
  }
}

interface Told {
  readonly never: IdentityReport['crossed']
  readonly given: ReadonlyMap<string, string>
}

function describe(result: IdentityReport, { never, given }: Told): string {
  const { tokens, generations, differences, parts, crossed, leftOut, found, seed } = result
  const table = formatTable(
    [
      { title: 'part' },
      { title: '' },
      { title: 'texts', align: 'right' },
      { title: 'tokens', align: 'right' },
      { title: 'differences', align: 'right' },
    ],
    Object.entries(parts).flatMap(([axis, names]) =>
      Object.entries(names).map(([name, part], i) => {
        const figures = [part.generations, part.tokens, part.differences].map(String)
        return [i === 0 ? (words[axis] ?? axis) : '', name, ...figures]
      }),
    ),
  )
  const passes = crossed.map((at) => `${at.rows} rows ${at.passes} times`).join(', ')
  const [first] = found
  return [
    `${tokens} tokens of ${generations} texts beside plain decoding, seed ${seed}: ${differences} differences`,
    '',
    table,
    '',
    `Verification passes crossed ${passes}.`,
    ...(never.length > 0 ? [`Never crossed: ${never.map(({ rows }) => rows).join(', ')} rows.`] : []),
    ...(leftOut.length > 0 ? [`Not there: ${leftOut.join(', ')}.`] : []),
    ...(first
      ? ['', `The first difference: ${describeDifference(first.difference)}.`, repeat(first, { ...result, given })]
      : []),
    '',
  ].join('\n')
}

const words: Readonly<Record<string, string>> = {
  draftLength: 'draft length',
  dtype: 'type',
  batch: 'texts at once',
  samples: 'of one prompt',
}

function describeDifference(difference: Difference): string {
  switch (difference.what) {
    case 'token': {
      const { index, plain, other } = difference
      return `token ${index} is ${other ?? 'missing'}, plain decoding has ${plain ?? 'none'}`
    }
    case 'error':
      return difference.message
    default: {
      const { what, plain, other } = difference
      return `the ${what} is ${JSON.stringify(other)}, of plain decoding ${JSON.stringify(plain)}`
    }
  }
}

/** A command that compares this one text again. */
function repeat(
  at: IdentityReport['found'][number],
  { maxNewTokens, given }: Pick<IdentityReport, 'maxNewTokens'> & Pick<Told, 'given'>,
): string {
  const what: Record<string, string | number> = {
    '--model': at.model,
    '--backends': given.get(at.backend) ?? at.backend,
    ...(threaded.includes(at.backend) && { '--threads': at.threads }),
    '--dtypes': at.dtype,
    ...(at.draft !== 'none' && { '--drafts': at.draft, '--draft-lengths': at.draftLength }),
    '--samplings': at.sampling,
    '--prompt-lengths': at.prompt,
    '--batches': at.batch === 1 ? 'without' : at.samples > 1 ? 'samples' : 'only',
    '--seed': at.seed,
    '--max-new-tokens': maxNewTokens,
    '--tokens': 1,
  }
  const words = Object.entries(what).map(([option, value]) => `${option} ${value}`)
  return `Again: drafthorse bench identity ${words.join(' ')}`
}

/** A parser of names for commander. */
function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.includes('')) throw new InvalidArgumentError('Expected names, separated by commas.')
  return [...new Set(names)]
}

/** An option that takes some of these names. */
function listOf(flag: string, description: string, known: readonly string[]): Option {
  return new Option(`${flag} <list>`, description).argParser((text) => {
    const names = nameList(text)
    const stranger = names.find((name) => !known.includes(name))
    if (stranger !== undefined) {
      throw new InvalidArgumentError(`There is no ${stranger}; there is ${known.join(', ')}.`)
    }
    return names
  })
}
