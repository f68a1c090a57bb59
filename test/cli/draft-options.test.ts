// The options of drafting and sampling: what reaches `generate`, what is refused, and what is said to do nothing.
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Command, CommanderError } from 'commander'
import { readDrafting } from '../../cli/draft-options.ts'
import { idleOptions, looseSeed, type SkipOptions } from '../../cli/idle-options.ts'
import { addSamplingOptions, type SamplingOptions } from '../../cli/sampling-options.ts'
import { ArgumentError, NotFoundError } from '../../engine/errors.ts'

function parse(...args: string[]): SamplingOptions {
  const command = new Command().exitOverride().configureOutput({ writeErr: () => {} })
  return addSamplingOptions(command).parse(args, { from: 'user' }).opts<SamplingOptions>()
}

describe('options of drafting', () => {
  it('leave all to generate that is not said', async () => {
    const unsaid = Object.values(await readDrafting(parse()))
    assert.ok(unsaid.length > 0)
    assert.deepEqual(new Set(unsaid), new Set([undefined]))
  })

  it('reach generate as they are said', async () => {
    const said = '--draft cascade --draft-length adaptive --exit-layer 4 --accept rejection --draft-temperature 1.5'
    const heads = '--no-prefix-reuse --draft-vocabulary 500'
    assert.deepEqual(await readDrafting(parse(...said.split(' '), ...heads.split(' '))), {
      draft: 'cascade',
      draftLength: 'adaptive',
      exitLayer: 4,
      accept: 'rejection',
      draftTemperature: 1.5,
      reusePrefix: false,
      draftVocabulary: { size: 500 },
    })
  })

  it('know every draft and every policy by its name, and lengths by their number', () => {
    for (const draft of ['none', 'skip', 'lookup', 'cascade', 'auto'])
      assert.equal(parse('--draft', draft).draft, draft)
    for (const policy of ['threshold', 'adaptive', 'cost-model']) {
      assert.equal(parse('--draft-length', policy).draftLength, policy)
    }
    assert.equal(parse('--draft-length', '0').draftLength, 0)
  })

  const wrong: readonly (readonly [args: string, message: RegExp])[] = [
    ['--draft guess', /Allowed choices are none, skip, lookup, cascade, auto/],
    ['--draft-length some', /whole number from 0, or "threshold", "adaptive", "cost-model"/],
    ['--draft-length -1', /whole number from 0, or/],
    ['--exit-layer 1.5', /whole number from 0/],
    ['--accept maybe', /Allowed choices are equality, rejection/],
    ['--draft-temperature warm', /Expected a number/],
    ['--draft-vocabulary 0', /whole number from 1/],
  ]
  for (const [args, message] of wrong) {
    it(`refuse ${args}, and say what is expected`, () => {
      assert.throws(
        () => parse(...args.split(' ')),
        (error) => error instanceof CommanderError && message.test(error.message),
      )
    })
  }

  describe('name a text in which the vocabulary of drafts is counted', () => {
    let folder: string
    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    })
    after(() => rm(folder, { recursive: true }))

    it('which is read', async () => {
      const file = join(folder, 'text.txt')
      await writeFile(file, 'one two é')
      const { draftVocabulary } = await readDrafting(parse('--draft-vocabulary', '5', '--draft-vocabulary-text', file))
      assert.deepEqual(draftVocabulary, { size: 5, text: 'one two é' })
    })

    it('which is refused where it is missing, empty, or of no use', async () => {
      const empty = join(folder, 'empty.txt')
      await writeFile(empty, '')
      const read = (file: string, ...args: string[]) =>
        readDrafting(parse('--draft-vocabulary-text', join(folder, file), ...args))
      await assert.rejects(read('none.txt', '--draft-vocabulary', '5'), NotFoundError)
      await assert.rejects(read('empty.txt', '--draft-vocabulary', '5'), /empty\.txt is empty/)
      await assert.rejects(read('empty.txt'), (error: Error) => {
        assert.ok(error instanceof ArgumentError)
        return /say how many: --draft-vocabulary 8000/.test(error.message)
      })
    })
  })
})

describe('options that do nothing beside the others', () => {
  const words = (args: string): string[] => args.split(' ').filter((word) => word !== '')
  const idle = (args: string, { hasSet = true, ...skips }: SkipOptions & { hasSet?: boolean } = {}): string[] =>
    idleOptions({ ...parse(...words(args)), ...skips }, { hasSet })

  it('are none where nothing is said, and where all that is said counts', () => {
    assert.deepEqual(idle(''), [])
    assert.deepEqual(idle('--draft lookup --draft-length 4 --accept equality'), [])
    const sampled = '--temperature 1 --top-k 5 --seed 1 --accept rejection --draft-temperature 1'
    const all = `${sampled} --exit-layer 2 --no-prefix-reuse --draft-vocabulary 9 --draft-vocabulary-text words.txt`
    for (const hasSet of [true, false]) assert.deepEqual(idle(all, { hasSet }), [])
    assert.deepEqual(idle('--draft-vocabulary 9', { hasSet: false, skipMlp: [3] }), [])
    assert.deepEqual(idle('--draft none', { skipMlp: [3], saveSkip: true }), [])
  })

  it('are those that say what to skip, where nothing is', () => {
    const skips = { skip: 'set.json', skipAttention: [2], skipMlp: [] }
    const names = '--skip, --skip-attention, --skip-mlp'
    assert.deepEqual(idle('--draft none', skips), [`of no effect without a draft: ${names}; leave out --draft none`])
    assert.match(idle('--draft lookup', skips)[0]!, new RegExp(`which runs no model: ${names};`))
  })

  it('are all of a draft that runs the model, where the model has no skip set', () => {
    const options = '--no-prefix-reuse --draft-vocabulary 9 --temperature 1 --accept rejection'
    assert.deepEqual(idle(options, { hasSet: false }), [
      'of no effect without a skip set, where --draft auto is lookup: --accept, --no-prefix-reuse, --draft-vocabulary; give --exit-layer, or name a set to generate (--skip-attention, --skip-mlp; --save-skip keeps it)',
    ])
    assert.deepEqual(idle(`--draft auto ${options}`, { hasSet: false }), idle(options, { hasSet: false }))
  })

  const cases: readonly (readonly [args: string, lines: readonly string[]])[] = [
    [
      '--draft none --draft-length 3 --no-prefix-reuse --exit-layer 2',
      ['of no effect without a draft: --draft-length, --exit-layer, --no-prefix-reuse; leave out --draft none'],
    ],
    [
      '--draft lookup --draft-vocabulary 9',
      [
        'of no effect with --draft lookup, which runs no model: --draft-vocabulary; give --draft cascade or --draft skip',
      ],
    ],
    [
      '--draft lookup --draft-vocabulary 9 --draft-vocabulary-text words.txt --accept rejection --temperature 1',
      [
        'of no effect with --draft lookup, which runs no model: --accept, --draft-vocabulary, --draft-vocabulary-text; give --draft cascade or --draft skip',
      ],
    ],
    [
      '--top-p 0.5 --accept rejection',
      ['of no effect at temperature 0: --top-p, --accept; give a --temperature above 0'],
    ],
    [
      '--temperature 1 --draft-temperature 2',
      ['of no effect with --accept equality: --draft-temperature; give --accept rejection'],
    ],
    [
      '--draft none --seed 1 --draft-temperature 2',
      [
        'of no effect without a draft: --draft-temperature; leave out --draft none',
        'of no effect at temperature 0: --seed; give a --temperature above 0',
      ],
    ],
  ]
  for (const [args, lines] of cases)
    it(`are named once each, with a reason: ${args}`, () => assert.deepEqual(idle(args), lines))
})

describe('a seed under rejection', () => {
  const loose = (args: string, hasSet = true): string[] => looseSeed(parse(...args.split(' ')), { hasSet })

  it('is said not to settle the text where the clock has a say in it, with a remedy', () => {
    const args = '--temperature 0.8 --seed 7 --accept rejection'
    assert.match(
      loose(args)[0]!,
      /--seed alone does not give the same text again; give a number too, like --draft-length 4$/,
    )
    assert.deepEqual(loose(`${args} --draft skip --draft-length cost-model`), loose(args))
    assert.deepEqual(loose(`${args} --exit-layer 2`, false), loose(args))
  })

  for (const settled of [
    '--temperature 0.8 --seed 7 --accept rejection --draft-length 4',
    '--temperature 0.8 --seed 7 --accept rejection --draft-length threshold',
    '--temperature 0.8 --seed 7 --accept rejection --draft lookup',
    '--temperature 0.8 --seed 7 --accept rejection --draft none',
    '--temperature 0.8 --seed 7',
    '--temperature 0.8 --accept rejection',
    '--seed 7 --accept rejection',
  ]) {
    it(`needs no such word: ${settled}`, () => assert.deepEqual(loose(settled), []))
  }

  it('needs no such word where there is nothing to draw drafts with', () => {
    assert.deepEqual(loose('--temperature 0.8 --seed 7 --accept rejection', false), [])
  })
})
