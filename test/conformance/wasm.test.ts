// The wasm backend: every conformance case on one, two and three threads, the golden checkpoints, identity and memory.
import assert from 'node:assert/strict'
import { generate, loadModel } from 'drafthorse'
import { allCases, defaultSeed, runCase } from 'drafthorse/conformance'
import { type Backend, openBackend } from 'drafthorse/engine'
import { wasm } from 'drafthorse/engine/wasm'
import { edited } from '../checkpoints.ts'
import { matchGolden, speculateEqually, stayLevel } from '../engine/tfjs/checks.ts'
import { nodeFiles } from '../engine/tfjs/files-node.ts'
import { golden } from '../golden.ts'

for (const threads of [1, 2, 3]) {
  describe(`wasm on ${threads} threads, seed ${defaultSeed}`, () => {
    const open = () => openBackend('wasm', { threads })
    let backend: Backend
    before(async () => {
      backend = await open()
    })
    after(() => backend.dispose())

    const cases = allCases({ open })
    for (const op of new Set(cases.map((item) => item.op))) {
      describe(op, () => {
        for (const item of cases.filter((each) => each.op === op)) {
          it(`${item.kind}: ${item.name}${item.dtype ? ` (${item.dtype})` : ''}`, async () => {
            const outcome = await runCase(item, backend)
            assert.equal(outcome.status, 'ok', 'message' in outcome ? outcome.message : undefined)
          })
        }
      })
    }

    it('has the threads that were asked for, promises row invariance, reads for nothing and runs every weight type', () => {
      assert.equal(backend.capabilities.threads, threads)
      assert.equal(backend.capabilities.freeReads, true)
      assert.equal(backend.capabilities.rowInvariant, true)
      assert.deepEqual([...backend.capabilities.dtypes].sort(), ['bf16', 'f32', 'q4_0', 'q4_1', 'q8_0'])
    })
  })
}

describe('wasm', () => {
  it('gives the same bits on one, two and three threads, for every weight type', async () => {
    const ids = Array.from({ length: 70 }, (_, i) => (i * 37 + 11) % 4096)
    for (const dtype of ['f32', 'bf16', 'q8_0', 'q4_0', 'q4_1'] as const) {
      const all: Uint32Array[] = []
      for (const threads of [1, 2, 3]) {
        await using model = await loadModel('stories', { backend: 'wasm', threads, dtype })
        all.push(new Uint32Array((await model.logits(ids)).buffer))
      }
      assert.ok(
        all.every((bits) => Buffer.from(bits.buffer).equals(Buffer.from(all[0]!.buffer))),
        dtype,
      )
    }
  })

  it('gives the logits and greedy ids of all checkpoints with all skip sets', async () => {
    const backend = await openBackend('wasm', { threads: 2 })
    golden(await matchGolden(backend, nodeFiles))
    await backend.dispose()
  })

  for (const threads of [1, 2]) {
    it(`tells 512 tokens the same whether it speculates or not, on ${threads} threads`, async () => {
      const backend = await openBackend('wasm', { threads })
      await speculateEqually(backend, nodeFiles, { tokens: 512 })
      await backend.dispose()
    })
  }

  it('fills a context of 8192 tokens the same on one thread and, drafting, on two', async () => {
    const files = await edited('llama2-f32', { max_position_embeddings: 8192, eos_token_id: null })
    const prompt = Array.from({ length: 8100 }, (_, i) => (i * 37 + 11) % 320)
    const told: (readonly number[])[] = []
    for (const [threads, draft] of [
      [1, 'none'],
      [2, 'skip'],
    ] as const) {
      await using model = await loadModel(files, { backend: 'wasm', threads })
      const skip = draft === 'skip' ? { attention: [2], mlp: [2] } : undefined
      const { tokens, finishReason } = await generate(model, prompt, {
        draft,
        skip,
        draftLength: 4,
        maxNewTokens: 1000,
      }).result
      assert.equal(finishReason, 'context')
      assert.equal(prompt.length + tokens.length, 8192)
      told.push(tokens)
    }
    assert.deepEqual(told[1], told[0])
  })

  it('holds as much memory after a generation as before', async () => {
    const backend = await openBackend('wasm', { threads: 2 })
    await stayLevel(backend, nodeFiles, { used: () => wasm.counts().allocations - wasm.counts().frees, tokens: 140 })
    await backend.dispose()
  })
})
