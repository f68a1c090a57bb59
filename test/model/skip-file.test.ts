// Skip files: the paper's form, this package's, and what is refused.
import assert from 'node:assert/strict'
import { ModelFormatError } from '../../engine/errors.ts'
import { planSkip } from '../../model/skip.ts'
import { expectLayers, findSkipEntry, parseSkipEntry, parseSkipFile } from '../../model/skip-file.ts'

const set = { attention: [3, 5], mlp: [4] }
const at = { where: 'skip_layers.json', modelName: 'tiny' }

function refused(json: unknown, ...parts: RegExp[]): void {
  assert.throws(
    () => parseSkipFile(json, at),
    (error) => {
      assert.ok(error instanceof ModelFormatError, String(error))
      for (const part of [/skip_layers\.json/, ...parts]) assert.match(error.message, part)
      return true
    },
  )
}

describe('parseSkipFile', () => {
  it("picks the model's entry, or the only one, with and without a format", () => {
    const other = { attention: [], mlp: [0] }
    assert.deepEqual(parseSkipFile({ other, tiny: set }, at), set)
    assert.deepEqual(parseSkipFile({ 'llama-2-13b': set }, at), set)
    assert.deepEqual(parseSkipFile({ format: 'drafthorse/skip@1', tiny: set }, at), set)
  })

  it('reads a set by itself', () => {
    assert.deepEqual(parseSkipFile(set, at), set)
    assert.deepEqual(parseSkipFile({ format: 'drafthorse/skip@1', ...set }, at), set)
  })

  it('sorts layers and drops duplicates', () => {
    assert.deepEqual(parseSkipFile({ attention: [5, 3, 5], mlp: [] }, at), { attention: [3, 5], mlp: [] })
  })

  it('lists the names when none fits, which findSkipEntry does not take for an error', () => {
    refused({ a: set, b: set }, /"tiny"/, /"a", "b"/)
    refused({}, /none at all/)
    assert.equal(findSkipEntry({ a: set, b: set }, at), undefined)
  })

  it('refuses other formats, other values and names that only look like entries', () => {
    refused({ format: 'drafthorse/skip@2', tiny: set }, /"drafthorse\/skip@2"/, /"drafthorse\/skip@1"/)
    for (const json of [null, [], 'tiny', 1]) refused(json, /expected a JSON object/)
    refused({ tiny: [] }, /"tiny"/)
    refused({ tiny: { attention: [1] } }, /"mlp" is missing/)
    refused({ attention: 'all', mlp: [] }, /"attention" is "all"/)
    for (const bad of [-1, 1.5, '1', null, 1e9, [1]])
      refused({ tiny: { attention: [0, bad], mlp: [] } }, /"attention" names the layer/)
    assert.throws(() => parseSkipFile({ a: set, b: set }, { ...at, modelName: '__proto__' }), ModelFormatError)
    assert.throws(() => parseSkipFile({ a: set, b: set }, { ...at, modelName: 'toString' }), ModelFormatError)
  })
})

// Zhang et al., "Draft & Verify" (ACL 2024): the sets that were found for it, as skip_layers.json of
// dilab-zju/self-speculative-decoding has them at f69f2a750c83a34097e975afcef1d6a85229f58f. That repository states no licence;
// which layers are skipped is a fact, and nothing else was taken.
const published = {
  'llama-2-13b': {
    attention: [3, 5, 6, 8, 10, 11, 14, 15, 18, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 33, 34, 35, 36, 37],
    mlp: [6, 9, 10, 11, 15, 24, 25, 27, 28, 35],
  },
  'llama-2-13b-chat': {
    attention: [7, 8, 9, 10, 11, 14, 15, 18, 22, 23, 24, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38],
    mlp: [7, 10, 11, 14, 27, 30, 32, 33, 37, 38],
  },
  'codellama-13b': {
    attention: [5, 6, 9, 10, 11, 14, 15, 16, 21, 23, 24, 26, 27, 28, 29, 30, 31, 32, 34, 35, 36, 37],
    mlp: [10, 11, 12, 14, 15, 25, 26, 27, 30, 32, 33, 34],
  },
  'llama-2-70b': {
    attention: [
      10, 11, 13, 14, 16, 18, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 35, 41, 43, 45, 46, 47, 48, 49, 50, 51, 52, 53,
      54, 55, 56, 57, 58, 60, 61, 62, 63, 65, 66, 67, 68, 69, 70, 74, 75, 78, 79,
    ],
    mlp: [
      2, 4, 9, 10, 13, 14, 16, 20, 21, 22, 24, 25, 26, 27, 28, 29, 31, 34, 37, 41, 47, 48, 49, 50, 53, 54, 55, 57, 58,
      60, 62, 63, 66, 67, 68, 70, 76,
    ],
  },
}

describe("the paper's own skip sets", () => {
  // Layers of the model, and how many sublayers are skipped: attention, MLP.
  const shapes: Record<keyof typeof published, [layers: number, attention: number, mlp: number]> = {
    'llama-2-13b': [40, 24, 10],
    'llama-2-13b-chat': [40, 24, 10],
    'codellama-13b': [40, 22, 12],
    'llama-2-70b': [80, 47, 37],
  }
  for (const [modelName, [layers, attention, mlp]] of Object.entries(shapes)) {
    it(`load for ${modelName} as they stand, and fit its ${layers} layers`, () => {
      const where = 'skip_layers.json'
      const entry = parseSkipEntry(JSON.parse(JSON.stringify(published)), { where, modelName })
      assert.deepEqual(entry, { skip: published[modelName as keyof typeof published] })
      assert.equal(expectLayers(entry, { where, layers }), entry)
      const { skipped, run, exits } = planSkip(entry.skip, layers)
      assert.deepEqual([skipped.length, run, exits], [2 * layers, 2 * layers - attention - mlp, false])
      assert.throws(() => expectLayers(entry, { where, layers: 32 }), ModelFormatError)
    })
  }
})

describe('what a skip file knows of a set', () => {
  const one = { backend: 'wasm', dtype: 'q8_0', threads: 2, draft: 0.25, verify: [1, 1.5, 1.75] }
  const prior = { costs: [one], survival: [0.875, 0.5, 0.5, 0] }

  it('is costs and survival beside the layers, in an entry or a set by itself, without what else stands there', () => {
    assert.deepEqual(parseSkipEntry({ tiny: { ...set, ...prior, note: 'x' } }, at), { skip: set, prior })
    assert.deepEqual(parseSkipEntry({ ...set, ...prior }, at), { skip: set, prior })
    assert.deepEqual(parseSkipEntry({ tiny: { ...set, costs: [{ ...one, device: 'x' }] } }, at).prior, { costs: [one] })
    assert.deepEqual(parseSkipEntry({ tiny: { ...set, survival: [1] } }, at).prior, { survival: [1] })
    for (const prefix of [0, 0.25, 0.99]) {
      const costs = [{ ...one, prefix }]
      assert.deepEqual(parseSkipEntry({ tiny: { ...set, costs } }, at).prior, { costs })
    }
    assert.deepEqual(parseSkipEntry({ tiny: set }, at), { skip: set })
    assert.deepEqual(parseSkipFile({ tiny: { ...set, ...prior } }, at), set)
  })

  it('is the id of the model that it was found for, too, where that is a text', () => {
    assert.deepEqual(parseSkipEntry({ tiny: { ...set, id: 'a1b2' } }, at), { skip: set, id: 'a1b2' })
    assert.deepEqual(parseSkipEntry({ tiny: { ...set, id: 7 } }, at), { skip: set })
  })

  const wrong: Record<string, [costs: unknown, message: RegExp]> = {
    'no list': ['many', /"costs" is "many"; expected a list/],
    none: [[], /"costs" has 0 costs; expected 1 to 64/],
    'too many': [Array.from({ length: 65 }, (_, i) => ({ ...one, threads: i + 1 })), /"costs" has 65/],
    'no objects': [[one, 3], /"costs\[1\]" is 3; expected a JSON object/],
    'of no backend': [[{ ...one, backend: undefined }], /"costs\[0\]": "backend" is missing/],
    'of a type without a name': [[{ ...one, dtype: '' }], /"dtype" is ""/],
    'with names past all measure': [
      [{ ...one, dtype: 'x'.repeat(201) }],
      /"dtype" is "x+…; expected a name of 1 to 200/,
    ],
    'of no threads': [[{ ...one, threads: 0 }], /"threads" is 0; expected a whole number from 1/],
    'of parts of threads': [[{ ...one, threads: 1.5 }], /"threads" is 1\.5/],
    'with a draft for nothing': [[{ ...one, draft: 0 }], /"draft" is 0; expected a number above 0/],
    'with a draft that is no number': [[{ ...one, draft: '0.5' }], /"draft" is "0\.5"/],
    'with an endless draft': [[{ ...one, draft: JSON.parse('1e999') }], /"draft" is null/],
    'without verification': [[{ ...one, verify: undefined }], /"costs\[0\]": "verify" is missing/],
    'with verification of nothing': [[{ ...one, verify: [] }], /"verify" has 0 numbers; expected 1 to 256/],
    'with more than is verified': [[{ ...one, verify: new Array(257).fill(1) }], /"verify" has 257/],
    'with verification in milliseconds': [[{ ...one, verify: [7, 9] }], /"verify" begins with 7; expected 1/],
    'with verification that is not done at all': [
      [{ ...one, prefix: 1 }],
      /"costs\[0\]": "prefix" is 1; expected a part of a pass, from 0 to below 1/,
    ],
    'with less than no prefix': [[{ ...one, prefix: -0.1 }], /"prefix" is -0.1/],
    'with a prefix in words': [[{ ...one, prefix: 'half' }], /"prefix" is "half"/],
    'with no number as prefix': [[{ ...one, prefix: null }], /"prefix" is null/],
    'with negative verification': [[{ ...one, verify: [1, -2] }], /"verify"\[1\] is -2/],
    twice: [[one, { ...one, draft: 0.5 }], /"costs\[1\]" is a second one of wasm, q8_0, 2 threads/],
  }
  for (const [what, [costs, message]] of Object.entries(wrong)) {
    it(`is refused where the costs are ${what}`, () => refused({ tiny: { ...set, costs } }, /"tiny"/, message))
  }

  it('is refused where survival is no list of shares that do not grow', () => {
    for (const [survival, message] of [
      [0.5, /"survival" is 0\.5; expected a list/],
      [null, /"survival" is null/],
      [[], /"survival" has 0 shares; expected 1 to 256/],
      [new Array(257).fill(1), /"survival" has 257/],
      [[1.5], /"survival"\[0\] is 1\.5; expected a share from 0 to 1/],
      [[0.5, -0.5], /"survival"\[1\] is -0\.5/],
      [[0.5, 0.75], /"survival"\[1\] is 0\.75; expected a share from 0 to the one before it, 0\.5/],
      [['1'], /"survival"\[0\] is "1"/],
    ] as const) {
      refused({ tiny: { ...set, survival } }, /"tiny"/, message)
    }
  })
})
