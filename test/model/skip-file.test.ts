// Skip files: the paper's form, this package's, and what is refused.
import assert from 'node:assert/strict'
import { ModelFormatError } from '../../engine/errors.ts'
import { findSkipSet, parseSkipFile } from '../../model/skip-file.ts'

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

  it('lists the names when none fits, which findSkipSet does not take for an error', () => {
    refused({ a: set, b: set }, /"tiny"/, /"a", "b"/)
    refused({}, /none at all/)
    assert.equal(findSkipSet({ a: set, b: set }, at), undefined)
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
