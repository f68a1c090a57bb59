// The list of commands: a barrier stands where a command needs what an earlier one writes, and nowhere else.
import assert from 'node:assert/strict'
import { createCommands, type Stamped } from '../../../engine/wasm/commands.ts'

const fresh = (): Stamped => ({ readAt: 0, writtenAt: 0 })

describe('commands', () => {
  const cases: { name: string; first: string; second: string; waits: boolean }[] = [
    { name: 'that read the same do not wait', first: 'a>b', second: 'a>c', waits: false },
    { name: 'wait for what they read', first: 'a>b', second: 'b>c', waits: true },
    { name: 'wait to overwrite what is read', first: 'a>b', second: 'c>a', waits: true },
    { name: 'wait to overwrite what is written', first: 'a>b', second: 'c>b', waits: true },
    { name: 'that work in place wait for each other', first: 'a>a', second: 'a>a', waits: true },
    { name: 'that share nothing do not wait', first: 'a>b', second: 'c>d', waits: false },
  ]
  for (const { name, first, second, waits } of cases) {
    it(name, () => {
      const tensors = new Map(['a', 'b', 'c', 'd'].map((letter) => [letter, fresh()]))
      const uses = (arrow: string) => ({ reads: [tensors.get(arrow[0]!)!], writes: [tensors.get(arrow[2]!)!] })
      const commands = createCommands()
      for (let list = 0; list < 2; list++) {
        commands.add('swiglu', uses(first), [1, 2])
        commands.add('swiglu', uses(second), [3, 4])
        assert.equal(commands.barriers, waits ? 1 : 0)
        const out = new Int32Array(commands.size())
        assert.equal(commands.take(out), 10)
        assert.deepEqual([out[2], out[7]], [0, waits ? 1 : 0], 'none waits for the list before')
        assert.ok(commands.empty)
      }
    })
  }

  it('keeps data apart, by places that do not move', () => {
    const commands = createCommands()
    const [long, short] = [commands.data(Array.from({ length: 10_000 }, (_, i) => i)), commands.data([7, 8])]
    commands.add('copyRows', { reads: [], writes: [] }, [long, short])
    const room = commands.room(3)
    const out = new Int32Array(commands.size())
    const count = commands.take(out)
    assert.deepEqual([count, out[3], out[4]], [5, long, short])
    assert.deepEqual([out[count + long / 4 + 9999], out[count + short / 4 + 1]], [9999, 8])
    assert.equal(room, short + 8)
  })
})
