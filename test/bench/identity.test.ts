// The identity matrix: it finds nothing where drafting is exact, finds what is wrong where it is not, and counts both rightly.
import assert from 'node:assert/strict'
import { benchIdentity, type IdentityOptions } from '../../bench/identity.ts'
import { boundaries, draftLengths, drafts, prompts, samplings } from '../../bench/identity-matrix.ts'
import { type Compared, firstDifference, type IdentityCase, tally } from '../../bench/identity-report.ts'
import { seeded } from '../../decode/seeded.ts'
import type { Backend } from '../../engine/backend.ts'
import { openBackend } from '../../engine/open.ts'
import { reference } from '../../engine/reference/index.ts'
import { withOps } from '../../engine/with-ops.ts'
import { folderOf } from '../checkpoints.ts'
import { expectTfjs, openTfjs } from '../engine/tfjs/peers.ts'

const model = folderOf('gqa-tied-bf16')
const small = { models: [model], dtypes: ['f32'], texts: [], maxNewTokens: 12, seed: 3, batches: 'with' } as const

const brief = ['one', 'three', 'twelve']

/** Runs the matrix on a backend that is closed afterwards. */
async function compareOn(backend: Backend, options: Partial<IdentityOptions> & { tokens: number }) {
  try {
    return await benchIdentity({ ...small, backends: [backend], ...options })
  } finally {
    await backend.dispose()
  }
}

/** The reference backend, which takes another token where it has several rows to choose for. */
async function wrongInSeveralRows(): Promise<Backend> {
  const { ops } = await reference.open({})
  return openBackend(
    withOps(reference, {
      select(out, logits, options) {
        ops.select(out, logits, options)
        if (logits.shape[0]! > 2) out.ids.data[0] = 5
      },
    }),
  )
}

describe('the identity matrix', () => {
  it('finds no difference on any backend, and has something of every part', async function () {
    this.timeout(60_000)
    const backends = [await openBackend('reference')]
    for (const threads of [1, 2, 3]) backends.push(await openBackend('wasm', { threads }))
    try {
      const dtypes = ['f32', 'q8_0'] as const
      const models = [model, folderOf('mistral-window-16')]
      const report = await benchIdentity({ ...small, backends, models, dtypes, tokens: 4_000 })
      assert.deepEqual(report.found, [])
      assert.equal(report.differences, 0)
      assert.ok(report.tokens >= 4_000)
      const names = (part: object): string[] => Object.keys(part).sort()
      const { parts } = report
      assert.deepEqual(names(parts.backend), ['reference:1', 'wasm:1', 'wasm:2', 'wasm:3'])
      assert.deepEqual(names(parts.draft), [...Object.keys(drafts).filter((name) => name !== 'own-set'), 'none'].sort())
      assert.deepEqual(names(parts.draftLength), ['0', ...Object.keys(draftLengths)].sort())
      assert.deepEqual(names(parts.sampling), Object.keys(samplings).sort())
      assert.deepEqual(names(parts.prompt), Object.keys(prompts).sort())
      assert.deepEqual(
        [names(parts.batch), names(parts.samples)],
        [
          ['1', '3'],
          ['1', '3'],
        ],
      )
      for (const axis of Object.values(parts)) {
        const tokens = Object.values(axis).reduce((sum, part) => sum + part.tokens, 0)
        assert.equal(tokens, report.tokens)
      }
      assert.deepEqual(report.leftOut.toSorted(), models.map((name) => `own-set of ${name}`).sort())
      const crossed = report.crossed.filter(({ rows }) => rows <= 64)
      for (const { rows, passes } of crossed) assert.ok(passes > 0, `no pass crossed ${rows} rows`)
    } finally {
      for (const backend of backends) await backend.dispose()
    }
  })

  it('finds no difference with the embedded model, whose own set is among the drafts', async function () {
    this.timeout(60_000)
    const texts = ['Once upon a time there was a small cat.', 'One day, Tom went to the park with his mom.']
    const own = {
      models: ['stories'],
      drafts: ['own-set', 'auto'],
      prompts: ['three', 'twelve', 'twenty-eight'],
      texts,
    }
    const backend = await openBackend('wasm')
    const report = await compareOn(backend, { ...own, dtypes: ['f32', 'q8_0'], tokens: 400 })
    assert.deepEqual([report.found, report.leftOut], [[], []])
    for (const draft of ['own-set', 'auto']) assert.ok(report.parts.draft[draft]!.tokens > 0)
    assert.ok(report.parts.samples['3']!.tokens > 0)
  })

  it('finds no difference on TensorFlow', async function () {
    this.timeout(60_000)
    await expectTfjs(this, 'tfjs:tensorflow')
    const backend = await openTfjs('tfjs:tensorflow')
    const { capabilities } = backend
    const report = await compareOn(backend, { prompts: brief, tokens: 300 })
    assert.deepEqual(report.found, [])
    assert.ok(report.tokens >= 300)
    assert.equal((report.parts.batch['3']?.tokens ?? 0) > 0, capabilities.rowInvariant === true)
  })

  it('finds what is wrong with samples of one prompt, and with these alone', async () => {
    const one = { samplings: ['greedy'], prompts: ['twelve'], drafts: ['no-sublayer'], draftLengths: ['4'] }
    const report = await compareOn(await wrongInSeveralRows(), { ...one, batches: 'samples', tokens: 30 })
    assert.ok(report.differences > 0)
    assert.ok(report.found.every(({ batch, samples }) => batch === 3 && samples === 3))
    assert.deepEqual(Object.keys(report.parts.samples), ['3'])
  })

  it('finds what is wrong with a backend on which passes of several rows give other tokens', async () => {
    const greedy = { samplings: ['greedy'], prompts: brief, drafts: ['no-sublayer'], draftLengths: ['4'] }
    const report = await compareOn(await wrongInSeveralRows(), { ...greedy, tokens: 100 })
    assert.ok(report.differences > 0)
    const [first] = report.found
    assert.ok(first && first.difference.what === 'token' && first.difference.other === 5)
    const { sampling, prompt, seed, draft, draftLength } = first
    const again = await compareOn(await wrongInSeveralRows(), {
      ...{ drafts: [draft], draftLengths: [draftLength], samplings: [sampling], prompts: [prompt] },
      ...{ seed, tokens: 1 },
    })
    assert.deepEqual(again.found, [first], 'the case alone differs in the same way')
  })

  it('counts an error as a difference', async () => {
    const { ops } = await reference.open({})
    const failing = withOps(reference, {
      select(out, logits, options) {
        ops.select(out, logits, options)
        if (logits.shape[0]! > 1) out.scores.data.fill(Number.NaN)
      },
    })
    const report = await compareOn(await openBackend(failing), {
      draftLengths: ['2'],
      drafts: ['no-sublayer'],
      tokens: 30,
    })
    assert.equal(report.found[0]?.difference.what, 'error')
  })

  it('takes the same course for the same seed, and another for another', async () => {
    const course = async (seed: number) => {
      const backend = await openBackend('reference')
      return compareOn(backend, {
        drafts: ['no-sublayer', 'hostile'],
        draftLengths: ['1', '4'],
        prompts: brief,
        tokens: 150,
        seed,
      })
    }
    const first = await course(1)
    assert.deepEqual(await course(1), first)
    assert.notDeepEqual((await course(2)).parts, first.parts)
  })

  it('refuses names that it does not have, and a type that no backend runs', async () => {
    const refused = async (options: Partial<IdentityOptions>, says: RegExp) => {
      await assert.rejects(compareOn(await openBackend('reference'), { tokens: 1, ...options }), says)
    }
    await refused({ drafts: ['oracle'] }, /there is no draft "oracle"; there is own-set, /)
    await refused({ draftLengths: ['9'] }, /there is no draft length "9"/)
    await refused({ dtypes: [] }, /none of the backends reference runs/)
    await refused({ drafts: ['own-set'] }, /nothing of what was asked for can be compared/)
  })
})

describe('what is counted of identity', () => {
  const at: IdentityCase = {
    ...{ model: 'm', backend: 'wasm', threads: 2, dtype: 'f32', draft: 'hostile', draftLength: '2' },
    ...{ sampling: 'greedy', prompt: 'one', promptTokens: 1, seed: 0, batch: 1, samples: 1 },
  }

  it('is a boundary crossed where rows lie on both sides of it', () => {
    const { pass, report } = tally({ seed: 0, maxNewTokens: 1 })
    for (const [start, rows] of [
      [6, 2], // rows 6 and 7, the last below 8
      [8, 4], // all above
      [7, 2],
      [0, 9],
      [15, 50], // 16, 32 and 64
    ] as const) {
      pass(start, rows)
    }
    assert.deepEqual(
      report().crossed,
      boundaries.map((rows) => ({ rows, passes: { 8: 2, 16: 1, 32: 1, 64: 1 }[rows] ?? 0 })),
    )
  })

  it('is each text in all the parts that it belongs to, and in the sum where it was drafted', () => {
    const counts = tally({ seed: 0, maxNewTokens: 4 })
    counts.compared(at, { tokens: 4, difference: undefined })
    counts.compared({ ...at, threads: 3 }, { tokens: 3, difference: { what: 'text', plain: 'a', other: 'b' } })
    const plain = { ...at, draft: 'none', draftLength: '0' }
    counts.compared(plain, { tokens: 9, difference: undefined })
    const { parts, differences, tokens, generations } = counts.report()
    assert.deepEqual([differences, tokens, generations], [1, 7, 2])
    assert.deepEqual(parts.backend, {
      'wasm:2': { generations: 2, tokens: 4, differences: 0 },
      'wasm:3': { generations: 1, tokens: 3, differences: 1 },
    })
    assert.deepEqual(parts.draft, {
      hostile: { generations: 2, tokens: 7, differences: 1 },
      none: { generations: 1, tokens: 0, differences: 0 },
    })
  })

  it('is the first token that differs or is missing, then the text, then the reason of its end', () => {
    const result: Compared = { tokens: [1, 2], text: 'ab', finishReason: 'length' }
    assert.equal(firstDifference(result, { ...result }), undefined)
    for (const [other, difference] of [
      [
        { tokens: [1, 3], text: 'ac' },
        { what: 'token', index: 1, plain: 2, other: 3 },
      ],
      [{ tokens: [1] }, { what: 'token', index: 1, plain: 2, other: undefined }],
      [{ tokens: [1, 2, 3] }, { what: 'token', index: 2, plain: undefined, other: 3 }],
      [{ text: 'a' }, { what: 'text', plain: 'ab', other: 'a' }],
      [{ finishReason: 'eos' }, { what: 'finishReason', plain: 'length', other: 'eos' }],
    ] as const) {
      assert.deepEqual(firstDifference(result, { ...result, ...other }), difference)
    }
  })
})

describe('seeded choices', () => {
  it('are the same for the same seed and words, and spread over all there is', () => {
    const draws = (seed: number, word: string) => {
      const chance = seeded(seed, word)
      return Array.from({ length: 60 }, () => chance.below(6))
    }
    assert.deepEqual(draws(1, 'a'), draws(1, 'a'))
    assert.notDeepEqual(draws(1, 'a'), draws(2, 'a'))
    assert.notDeepEqual(draws(1, 'a'), draws(1, 'b'))
    assert.deepEqual([...new Set(draws(1, 'a'))].sort(), [0, 1, 2, 3, 4, 5])
  })

  it('shuffle without losing anything', () => {
    const list = Array.from({ length: 40 }, (_, i) => i)
    const shuffled = seeded(7, 'list').shuffled(list)
    assert.notDeepEqual(shuffled, list)
    assert.deepEqual(
      shuffled.toSorted((a, b) => a - b),
      list,
    )
  })
})
