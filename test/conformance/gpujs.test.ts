// The backends on GPU.js that run in this process: every conformance case, the golden checkpoints, identity, memory and what
// is uploaded. test/trial has the others.
import assert from 'node:assert/strict'
import { generate, loadModel } from 'drafthorse'
import { allCases, defaultSeed, runCase } from 'drafthorse/conformance'
import type { Backend } from 'drafthorse/engine'
import { expectGpujs, missing, openGpujs } from '../engine/gpujs/peers.ts'
import { matchGolden, ofF32, skipOthers, speculateEqually, stayLevel } from '../engine/tfjs/checks.ts'
import { nodeFiles } from '../engine/tfjs/files-node.ts'
import { golden } from '../golden.ts'
import { skipUnlessPossible } from '../skip.ts'

/** Over so many tokens plain and speculative text are compared. */
const tokens = 60

for (const name of ['gpujs:cpu', 'gpujs:webasm']) {
  describe(`${name}, seed ${defaultSeed}`, function () {
    this.timeout(600_000)
    const open = () => openGpujs(name)
    let backend: Backend
    before(async function () {
      await expectGpujs(this, name)
      backend = await open()
    })
    after(() => backend?.dispose())

    const cases = allCases({ open })
    for (const op of new Set(cases.map((item) => item.op))) {
      describe(op, () => {
        for (const item of cases.filter((each) => each.op === op && ofF32(each))) {
          it(`${item.kind}: ${item.name}`, async () => {
            const outcome = await runCase(item, backend)
            assert.equal(outcome.status, 'ok', 'message' in outcome ? outcome.message : undefined)
          })
        }
      })
    }

    it('runs the cases about other weights', async function () {
      const outcome = await skipOthers(
        backend,
        cases.filter((item) => !ofF32(item)),
      )
      const message = 'message' in outcome ? outcome.message : ''
      assert.equal(outcome.status, 'skipped', message)
      skipUnlessPossible(this, false, message)
    })

    it('promises row invariance, which the cases above have proved, of one thread of software', () => {
      const { rowInvariant, threads, kind } = backend.capabilities
      assert.deepEqual({ rowInvariant, threads, kind }, { rowInvariant: true, threads: 1, kind: 'software' })
    })

    it('gives the logits and greedy ids of all checkpoints with all skip sets', async () => {
      golden(await matchGolden(backend, nodeFiles))
    })

    it(`tells ${tokens} tokens the same whether it speculates or not`, () =>
      speculateEqually(backend, nodeFiles, { tokens }))

    it('holds as much memory after a generation as before', () =>
      stayLevel(backend, nodeFiles, { used: () => backend.memory().tensors, tokens: 8 }))

    it('copies no weight for a token, once they are where they stay', async () => {
      await using model = await loadModel('stories', { backend, dtype: 'f32' })
      const { hiddenSize, intermediateSize, numHiddenLayers } = model.config
      const options = { maxNewTokens: 16, ignoreEos: true, draft: 'none' } as const
      await generate(model, 'Once upon a time', options).result
      const before = backend.uploaded!()
      await generate(model, 'Once upon a time', options).result
      const bytes = (backend.uploaded!() - before) / options.maxNewTokens
      // Of each layer the least of its weights alone.
      const weights = numHiddenLayers * 2 * hiddenSize * intermediateSize * Float32Array.BYTES_PER_ELEMENT
      if (name === 'gpujs:cpu') assert.equal(bytes, 0)
      else assert.ok(bytes > 0 && bytes < weights, `${bytes} bytes a token, beside ${weights} of weights`)
    })
  })
}

// In one test, for few have a headless-gl: it has to be built, and wants a display.
describe('gpujs:gl in Node', function () {
  this.timeout(600_000)

  it('passes every case of f32, gives the golden logits, and tells 8 tokens the same whether it speculates', async function () {
    const reason = await missing('gpujs:gl')
    skipUnlessPossible(this, !reason, `${reason}`)
    const open = () => openGpujs('gpujs:gl')
    const backend = await open()
    try {
      for (const item of allCases({ open }).filter(ofF32)) {
        const outcome = await runCase(item, backend)
        assert.equal(outcome.status, 'ok', `${item.op}, ${item.name}: ${'message' in outcome && outcome.message}`)
      }
      golden(await matchGolden(backend, nodeFiles))
      await speculateEqually(backend, nodeFiles, { tokens: 8 })
    } finally {
      await backend.dispose()
    }
  })
})
