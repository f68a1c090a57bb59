// What every backend on TensorFlow.js has to show, in whatever process or page it runs: golden checkpoints, speculative text,
// level memory. Free of Node.
import { generate, loadModel } from 'drafthorse'
import { type Case, type Outcome, runCase } from 'drafthorse/conformance'
import type { Backend } from 'drafthorse/engine'
import { argmax, checkpoints, firm, oracleFolder, parseGolden } from '../../checkpoint-data.ts'
import { expect, expectSame } from './expect.ts'
import { type Files, modelFiles } from './files.ts'

/** Whether a case is about f32 weights, the one type of the backends on TensorFlow.js, or about none. */
export function ofF32({ dtype }: Case): boolean {
  return (dtype ?? 'f32') === 'f32'
}

/** Cases about weights that the backend does not run are skipped, each by its own word. */
export async function skipOthers(backend: Backend, others: readonly Case[]): Promise<Outcome> {
  for (const item of others) {
    const { status } = await runCase(item, backend)
    if (status !== 'skipped') return { status: 'failed', message: `${item.op}, ${item.name} is ${status}, not skipped` }
  }
  return {
    status: 'skipped',
    message: `${backend.capabilities.dtypes.join(', ')} only: ${others.length} cases are about weights of other types`,
  }
}

/** Logits, and the greedy ids that rounding cannot turn, of all checkpoints with all skip sets. Returns how many cases. */
export async function matchGolden(backend: Backend, files: Files): Promise<number> {
  let cases = 0
  for (const name of checkpoints) {
    const folder = `test/oracles/${oracleFolder(name)}`
    const golden = await parseGolden(
      await files.read(`${folder}/golden.json`),
      await files.read(`${folder}/golden.safetensors`),
    )
    await using model = await loadModel(await modelFiles(files, folder), { backend, dtype: 'f32' })
    const { vocabSize } = model.config
    for (const example of golden.cases) {
      const { skip, logits: expected } = example
      // One pass over prompt and golden ids gives every choice, and what the prompt alone gives.
      const count = firm(example)
      const ids = [...golden.inputIds, ...example.greedyIds.slice(0, count)]
      const logits = await model.logits(ids, { skip })
      const error = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - logits[i]!)), 0)
      expect(error <= 1e-3, `${name}, skipping ${example.name}, is off by ${error}`)
      const chosen = example.greedyIds.slice(0, count).map((_, i) => {
        const row = golden.inputIds.length - 1 + i
        return argmax(logits.subarray(row * vocabSize, (row + 1) * vocabSize))
      })
      expectSame(chosen, example.greedyIds.slice(0, count), `${name}, skipping ${example.name}`)
      cases++
    }
  }
  return cases
}

/** Plain and speculative decoding give the same tokens, this many in all. `onText` is called after each text. */
export async function speculateEqually(
  backend: Backend,
  files: Files,
  { tokens, onText }: { tokens: number; onText?: () => void },
): Promise<void> {
  const folder = 'models/stories'
  await using model = await loadModel(await modelFiles(files, folder), { backend, dtype: 'f32' })
  const openings = new TextDecoder()
    .decode(await files.read(`${folder}/openings.txt`))
    .trim()
    .split('\n')
  const each = Math.min(128, tokens)
  for (let done = 0, i = 0; done < tokens; done += each, i++) {
    const options = { maxNewTokens: Math.min(each, tokens - done), ignoreEos: true }
    const prompt = openings[i % openings.length]!
    const plain = await generate(model, prompt, { ...options, draft: 'none' }).result
    onText?.()
    const speculative = await generate(model, prompt, { ...options, draft: 'skip', draftLength: 3 }).result
    onText?.()
    expectSame(speculative.tokens, plain.tokens, prompt)
    expectSame(plain.tokens.length, options.maxNewTokens, prompt)
    expect(speculative.stats.acceptedTokens > 0, `${prompt}: no draft was accepted`)
  }
}

/**
 * The same with a golden checkpoint, which is small, and for whose weights nothing but the backend vouches: drafts leave out
 * its second layer, and are mostly wrong.
 */
export async function speculateSmallEqually(backend: Backend, files: Files, tokens: number): Promise<void> {
  const folder = 'test/oracles/hf/linear-rope-deep-bf16'
  await using model = await loadModel(await modelFiles(files, folder), { backend, dtype: 'f32' })
  const options = { maxNewTokens: tokens, ignoreEos: true }
  const prompt = [5, 99, 3]
  const plain = await generate(model, prompt, { ...options, draft: 'none' }).result
  const skip = { attention: [1], mlp: [1] }
  const speculative = await generate(model, prompt, { ...options, draft: 'skip', skip, draftLength: 3 }).result
  expectSame(speculative.tokens, plain.tokens, folder)
  expectSame(plain.tokens.length, tokens, folder)
}

/** After a first generation, which fills what is kept, memory is where it was after every other; each is of so many tokens. */
export async function stayLevel(
  backend: Backend,
  files: Files,
  { used, tokens }: { used: () => number; tokens: number },
): Promise<void> {
  await using model = await loadModel(await modelFiles(files, 'models/stories'), { backend, dtype: 'f32' })
  const run = (): Promise<unknown> =>
    generate(model, 'Once upon a time', { maxNewTokens: tokens, ignoreEos: true, draft: 'skip', draftLength: 3 }).result
  await run()
  const [tensors, memory] = [used(), backend.memory()]
  for (let i = 0; i < 2; i++) await run()
  expectSame(used(), tensors, 'tensors of TensorFlow.js')
  expectSame(backend.memory(), memory, 'memory()')
}
