// The operations on tfjs-node: the axes and shapes that they keep are there as long as a call needs them.
import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import { asNodeBackend, asTf } from '../../../engine/tfjs/load.ts'
import { tensorflowEager } from '../../../engine/tfjs/tensorflow.ts'
import { expectTfjs, openTfjs, peers } from './peers.ts'

describe('the operations on tfjs-node', () => {
  it('are given what they need, however many axes and shapes came before', async function () {
    await expectTfjs(this, 'tfjs:tensorflow')
    const opened = await openTfjs('tfjs:tensorflow')
    const tf = asTf(createRequire(peers)('@tensorflow/tfjs-node'))
    const { eager, dispose } = tensorflowEager(tf, asNodeBackend(tf.backend()))
    const before = tf.memory().numTensors
    const size = 3000
    const x = tf.tensor(
      Float32Array.from({ length: size }, (_, i) => i),
      [size],
      'float32',
    )
    // The same start each time, and another length: the start is the oldest of all, and wanted with every new one.
    for (let length = 1; length <= size; length++) {
      const part = eager.slice(x, [0], [length])
      assert.equal((await part.data()).at(-1), length - 1)
      part.dispose()
    }
    assert.ok(tf.memory().numTensors - before < size / 2, 'some of them were freed')
    x.dispose()
    dispose()
    assert.equal(tf.memory().numTensors, before)
    await opened.dispose()
  })
})
