// The backends on TensorFlow.js that run in this process: every conformance case, the golden checkpoints, identity and memory.
// test/trial has the others.
import assert from 'node:assert/strict'
import { allCases, defaultSeed, runCase } from 'drafthorse/conformance'
import type { Backend } from 'drafthorse/engine'
import { tensorsOf } from 'drafthorse/engine/tfjs'
import { matchGolden, ofF32, skipOthers, speculateEqually, stayLevel } from '../engine/tfjs/checks.ts'
import { nodeFiles } from '../engine/tfjs/files-node.ts'
import { missing, openTfjs } from '../engine/tfjs/peers.ts'
import { golden } from '../golden.ts'
import { skipUnless, skipUnlessPossible } from '../skip.ts'

/** Backends that run in this process, and over how many tokens: plain beside speculative text, and memory. */
const names = {
  'tfjs:tensorflow': { tokens: 128, watched: 140 },
  'tfjs:wasm': { tokens: 128, watched: 60 },
  'tfjs:cpu': { tokens: 60, watched: 8 },
}

for (const [name, { tokens, watched }] of Object.entries(names)) {
  describe(`${name}, seed ${defaultSeed}`, function () {
    this.timeout(600_000)
    const open = () => openTfjs(name)
    let backend: Backend
    before(async function () {
      const reason = await missing(name)
      if (name === 'tfjs:tensorflow' && process.platform !== 'linux') skipUnlessPossible(this, !reason, `${reason}`)
      skipUnless(this, !reason, `${reason}`)
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

    it('promises row invariance, which the cases above have proved', () => {
      assert.equal(backend.capabilities.rowInvariant, true)
    })

    it('gives as a number the width that its words name', () => {
      const { invariance = '', oneWidth } = backend.capabilities
      const [, named] = /at one width of (\d+) rows/.exec(invariance) ?? []
      if (named) assert.deepEqual(oneWidth, { rows: Number(named), inForce: true })
      else assert.equal(oneWidth?.inForce ?? false, false)
    })

    it('gives the logits and greedy ids of all checkpoints with all skip sets', async () => {
      golden(await matchGolden(backend, nodeFiles))
    })

    it(`tells ${tokens} tokens the same whether it speculates or not`, () =>
      speculateEqually(backend, nodeFiles, { tokens }))

    it(`holds as many tensors after ${watched} tokens as before`, () =>
      stayLevel(backend, nodeFiles, { used: () => tensorsOf(name), tokens: watched }))
  })
}
