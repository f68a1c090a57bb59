// What every backend on TensorFlow.js has to show, whatever process it runs in: golden checkpoints, and speculative text.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { generate, loadModel } from 'drafthorse'
import type { Backend } from 'drafthorse/engine'
import { argmax, checkpoints, firm, folderOf, readGolden } from '../../checkpoints.ts'

/** Logits, and the greedy ids that rounding cannot turn, of all checkpoints with all skip sets. Returns how many cases. */
export async function matchGolden(backend: Backend): Promise<number> {
  let cases = 0
  for (const name of checkpoints) {
    const golden = await readGolden(name)
    await using model = await loadModel(folderOf(name), { backend, dtype: 'f32' })
    const { vocabSize } = model.config
    for (const example of golden.cases) {
      const { skip, logits: expected } = example
      const logits = await model.logits(golden.inputIds, { skip })
      const error = logits.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0)
      assert.ok(error <= 1e-3, `${name}, skipping ${example.name}, is off by ${error}`)
      // One pass over prompt and golden ids gives every choice.
      const count = firm(example)
      const ids = [...golden.inputIds, ...example.greedyIds.slice(0, count)]
      const all = await model.logits(ids, { skip })
      const chosen = example.greedyIds.slice(0, count).map((_, i) => {
        const row = golden.inputIds.length - 1 + i
        return argmax(all.subarray(row * vocabSize, (row + 1) * vocabSize))
      })
      assert.deepEqual(chosen, example.greedyIds.slice(0, count), `${name}, skipping ${example.name}`)
      cases++
    }
  }
  return cases
}

/** Plain and speculative decoding give the same tokens, this many in all. */
export async function speculateEqually(backend: Backend, tokens: number): Promise<void> {
  await using model = await loadModel('stories', { backend, dtype: 'f32' })
  const file = new URL('../../../models/stories/openings.txt', import.meta.url)
  const openings = (await readFile(file, 'utf8')).trim().split('\n')
  const each = Math.min(128, tokens)
  for (let done = 0, i = 0; done < tokens; done += each, i++) {
    const options = { maxNewTokens: each, ignoreEos: true }
    const prompt = openings[i % openings.length]!
    const plain = await generate(model, prompt, { ...options, draft: 'none' }).result
    const speculative = await generate(model, prompt, { ...options, draft: 'skip', draftLength: 3 }).result
    assert.deepEqual(speculative.tokens, plain.tokens, prompt)
    assert.equal(plain.tokens.length, each)
    assert.ok(speculative.stats.acceptedTokens > 0)
  }
}

/** After a first generation, which fills what is kept, memory is where it was after every other. */
export async function stayLevel(backend: Backend, used: () => number): Promise<void> {
  await using model = await loadModel('stories', { backend, dtype: 'f32' })
  const run = (): Promise<unknown> =>
    generate(model, 'Once upon a time', { maxNewTokens: 12, draft: 'skip', draftLength: 3 }).result
  await run()
  const [tensors, memory] = [used(), JSON.stringify(backend.memory())]
  for (let i = 0; i < 3; i++) await run()
  assert.equal(used(), tensors, 'tensors of TensorFlow.js')
  assert.equal(JSON.stringify(backend.memory()), memory)
}
