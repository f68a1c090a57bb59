// Products with q8_0 weights by relaxed SIMD: the bits of those by words of 16 bits, wherever they are chosen, and by what
// they are chosen. Node 20 has them by a flag, and gets them wrong, so they run on the newer Nodes of test/peers.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { peerNode } from '../../peers/node.ts'
import { skipUnless, skipUnlessPossible } from '../../skip.ts'
import type { Told } from './tell-relaxed.ts'

const execute = promisify(execFile)
const root = fileURLToPath(new URL('../../..', import.meta.url))

for (const major of [22, 24] as const) {
  const expectNode = (context: Mocha.Context): string => {
    const node = peerNode(major)
    skipUnless(context, node, `Node ${major} is not installed in test/peers`)
    return node
  }

  describe(`products by relaxed SIMD on Node ${major}`, () => {
    let told: Told
    before(async function () {
      const program = fileURLToPath(new URL('tell-relaxed.ts', import.meta.url))
      const { stdout } = await execute(expectNode(this), ['--import', 'tsx', program], { cwd: root })
      told = JSON.parse(stdout)
    })

    it('have the same bits for all kinds of weights and activations, as have the weights themselves', () => {
      assert.deepEqual(told.differing, [])
      assert.ok(told.compared > 10_000, `${told.compared} products`)
    })

    it('pass the cases of products, embeddings and whole models', () => {
      assert.deepEqual(told.failed, [])
      assert.ok(told.cases > 100, `${told.cases} cases`)
    })

    it('give the embedded model the same logits', () => assert.ok(told.sameLogits))

    it('are told of', () => assert.equal(told.device, 'WebAssembly relaxed SIMD, 2 threads'))
  })

  describe(`the choice of products on Node ${major}`, () => {
    it('is relaxed SIMD where that is faster', async function () {
      assert.equal(await chosen(expectNode(this), { code: clock({ words: 2, relaxed: 1 }) }), 'relaxed SIMD')
    })

    it('is words of 16 bits where those are faster', async function () {
      assert.equal(await chosen(expectNode(this), { code: clock({ words: 1, relaxed: 2 }) }), 'SIMD')
    })

    it('is words of 16 bits where relaxed SIMD is not known', async function () {
      const code = `${clock({ words: 2, relaxed: 1 })}; WebAssembly.validate = () => false`
      assert.equal(await chosen(expectNode(this), { code }), 'SIMD')
    })

    it('is words of 16 bits where relaxed SIMD gives something else', async function () {
      const code = `${clock({ words: 2, relaxed: 1 })}
        const { Instance } = WebAssembly
        WebAssembly.Instance = function (...given) {
          const made = new Instance(...given)
          return made.exports.product ? { exports: { product() {} } } : made
        }`
      assert.equal(await chosen(expectNode(this), { code }), 'SIMD')
    })
  })
}

describe('the choice of products on Node 20', () => {
  it('is words of 16 bits by any flag, for its first compiler gets the others wrong', async function () {
    const isNode20 = process.versions.node.startsWith('20.')
    skipUnlessPossible(this, isNode20, `this is Node ${process.versions.node}`)
    for (const flags of [[], ['--experimental-wasm-relaxed-simd']]) {
      assert.equal(await chosen(process.execPath, { flags, code: clock({ words: 2, relaxed: 1 }) }), 'SIMD')
    }
  })
})

/** Code for a clock by which lists of the two kinds, one after the other, take so many milliseconds. */
function clock({ words, relaxed }: { words: number; relaxed: number }): string {
  return `let [calls, now] = [0, 0]
    const tick = () => (calls++ % 2 === 0 ? now : (now += calls % 4 === 2 ? ${words} : ${relaxed}))
    Object.defineProperty(performance, 'now', { value: tick })`
}

/** What a backend says that it computes with, opened after `code`. */
async function chosen(node: string, { flags = [], code }: { flags?: string[]; code: string }): Promise<string> {
  const program = `${code}
    const { openBackend } = await import('drafthorse/engine')
    const backend = await openBackend('wasm', { threads: 1 })
    console.log(backend.capabilities.device)
    await backend.dispose()`
  const { stdout } = await execute(node, [...flags, '--input-type=module', '-e', program], { cwd: root })
  const device = /^WebAssembly (.*), 1 thread\n$/.exec(stdout)
  assert.ok(device, stdout)
  return device[1]!
}
