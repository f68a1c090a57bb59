// Memory of the wasm backend: what is allocated is apart, what is freed is used again.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { createHeap } from '../../../engine/wasm/heap.ts'

describe('the heap', () => {
  it('gives memory that overlaps nothing, and joins what is freed', () => {
    const step = fc.record({ bytes: fc.integer({ min: 0, max: 40_000 }), free: fc.nat({ max: 30 }) })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const counts = { allocations: 0, frees: 0 }
        const heap = createHeap(counts)
        const held: { address: number; bytes: number }[] = []
        for (const { bytes, free } of steps) {
          const address = heap.allocate(bytes)
          assert.ok(address >= 1024 && address % 64 === 0 && address + bytes + 64 <= heap.memory.buffer.byteLength)
          for (const other of held) {
            assert.ok(address + bytes <= other.address || other.address + other.bytes <= address)
          }
          held.push({ address, bytes })
          const [freed] = held.splice(free, 1)
          if (freed) heap.free(freed.address)
        }
        for (const { address } of held) heap.free(address)
        assert.equal(counts.frees, counts.allocations)
        const size = heap.memory.buffer.byteLength
        heap.allocate(size - 1024 - 64)
        assert.equal(heap.memory.buffer.byteLength, size, 'all of it is one gap again')
      }),
      { numRuns: 50 },
    )
  })

  it('says what it lacks where 4 GiB do not suffice, and goes on', () => {
    const heap = createHeap({ allocations: 0, frees: 0 })
    assert.throws(() => heap.allocate(2 ** 32), { code: 'ERR_OUT_OF_MEMORY', message: /4294967296 bytes/ })
    heap.free(heap.allocate(100))
    assert.equal(heap.allocate(100), 1024)
  })
})
