// The word by which threads agree on shares and stages, where its numbers begin anew.
import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { platform } from '#workers'
import { createCommands } from '../../../engine/wasm/commands.ts'
import { mostTicket, noShare, sleepers, ticket } from '../../../engine/wasm/control.ts'
import { createCrew } from '../../../engine/wasm/crew.ts'
import { createHeap } from '../../../engine/wasm/heap.ts'
import { compileWords } from '../../../engine/wasm/products.ts'
import { createRunner } from '../../../engine/wasm/runner.ts'
import { createThreads } from '../../../engine/wasm/threads.ts'

describe('stages', () => {
  for (const threads of [1, 2]) {
    it(`are counted past their highest number, on ${threads} threads, which go on`, async () => {
      const heap = createHeap({ allocations: 0, frees: 0 })
      const crew = createThreads(await compileWords(), heap, { threads })
      const runner = createRunner(heap, crew)
      const commands = createCommands()
      const [from, out] = [heap.allocate(1024), heap.allocate(64)]
      heap.bytes(from, 1024).fill(1)
      const stamp = { readAt: 0, writtenAt: 0 }
      try {
        for (let before = 8; before >= 0; before--) {
          Atomics.store(heap.words(), ticket, ((mostTicket & ~noShare) - (before << 12)) | noShare)
          heap.bytes(out, 64).fill(0)
          for (let stage = 0; stage < 7; stage++) {
            commands.add('readAll', { reads: [], writes: [stamp] }, [out, from, 1024, 1])
          }
          await runner.run({ commands, scratchBytes: 0, products: 0, take: commands.take })
          assert.ok(heap.words()[ticket]! >= 0, 'no stage is the word for the end')
          assert.notEqual(heap.words()[out / 4], 0)
        }
      } finally {
        await crew.end()
      }
    })
  }

  it('end where the calling thread gives up waiting for those who have a share', async function () {
    this.timeout(30_000)
    const heap = createHeap({ allocations: 0, frees: 0 })
    const crew = createCrew(await compileWords(), heap, { platform, threads: 4, workerUrl: undefined, patience: 0 })
    const [runner, commands] = [createRunner(heap, crew), createCommands()]
    const [from, out] = [heap.allocate(1 << 16), heap.allocate(64)]
    heap.bytes(from, 1 << 16).fill(1)
    const stamp = { readAt: 0, writtenAt: 0 }
    try {
      for (let list = 0; list < 300; list++) {
        heap.bytes(out, 64).fill(0)
        for (let stage = 0; stage < 5; stage++) {
          commands.add('readAll', { reads: [], writes: [stamp] }, [out, from, 1 << 16, 1])
        }
        await runner.run({ commands, scratchBytes: 0, products: 0, take: commands.take })
        assert.notEqual(heap.words()[out / 4], 0)
      }
      // Who slept in the last list may still be waking up.
      while (Atomics.load(heap.words(), sleepers) > 0) await setImmediate()
    } finally {
      await crew.end()
    }
  })
})
