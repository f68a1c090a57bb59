// The checker itself can fail: every mistake in a table of them is caught, and named after its op.

import assert from 'node:assert/strict'
import { allCases, type Case, caseSubjects, checkBackend, opCases, type Report, timeOps } from 'drafthorse/conformance'
import { type Backend, type BackendModule, openBackend, withOps } from 'drafthorse/engine'
import { type F32Tensor, type ReferenceTensor, reference } from 'drafthorse/engine/reference'
import type { ReferenceOps } from './mutants/mutant.ts'
import { rowMutants } from './mutants/rows.ts'
import { sequenceMutants } from './mutants/sequences.ts'

async function check(module: BackendModule, options: Parameters<typeof checkBackend>[1] = {}): Promise<Report> {
  const backend = await openBackend(module)
  try {
    return await checkBackend(backend, options)
  } finally {
    await backend.dispose()
  }
}

/** The reference backend, changed in more than its ops. */
function changed(change: (backend: Backend<ReferenceTensor>) => Partial<Backend<ReferenceTensor>>): BackendModule {
  return {
    name: 'changed',
    async open(options) {
      const backend = await reference.open(options)
      return { ...backend, ...change(backend) }
    },
  }
}

/** An rmsNorm that is right to about 7 digits, and adds a little when there are several rows. */
const almost: Pick<ReferenceOps, 'rmsNorm'> = {
  rmsNorm(out: F32Tensor, x: F32Tensor, { weight, epsilon }: { weight: F32Tensor; epsilon: number }) {
    const size = weight.data.length
    const factor = 1 + (out.shape[0]! > 1 ? 1e-4 : 0)
    for (let start = 0; start < x.data.length; start += size) {
      const row = x.data.subarray(start, start + size)
      const rms = Math.sqrt(row.reduce((sum, value) => sum + value * value, 0) / size + epsilon)
      for (let i = 0; i < size; i++) out.data[start + i] = (row[i]! / rms) * weight.data[i]! * factor
    }
  },
}

describe('conformance checker', () => {
  let ops: ReferenceOps
  before(async () => {
    ops = (await reference.open({})).ops
  })

  describe('catches a kernel that', () => {
    for (const { op, mistake, caughtBy, mutate } of [...rowMutants, ...sequenceMutants]) {
      it(`${mistake} (${op}, by ${caughtBy})`, async () => {
        const found = new AbortController()
        const { failures } = await check(withOps(reference, mutate(ops)), {
          ops: [op],
          // The first accuracy case that fails is enough; that none does takes all of them.
          onOutcome: ({ case: { kind }, outcome }) =>
            kind === 'accuracy' && outcome.status === 'failed' && found.abort(),
          signal: found.signal,
        })
        const kinds = new Set(failures.map(({ kind }) => kind))
        assert.ok(kinds.has(caughtBy === 'accuracy' ? 'accuracy' : 'invariance'), 'no case failed')
        assert.equal(kinds.size, 1)
        for (const failure of failures) assert.equal(failure.op, op)
      })
    }
  })

  describe('catches a backend that', () => {
    const mistakes: Readonly<Record<string, (backend: Backend<ReferenceTensor>) => Partial<Backend<ReferenceTensor>>>> =
      {
        'reads out its own memory instead of a copy': () => ({
          read: async (tensors) =>
            tensors.map((tensor) => {
              if (tensor.dtype === 'f32' || tensor.dtype === 'i32') return tensor.data
              throw new TypeError(tensor.dtype)
            }),
        }),
        'keeps the array that was uploaded': ({ upload }) => ({
          upload: (data, spec) =>
            data instanceof Float32Array && spec.dtype === 'f32'
              ? { shape: spec.shape, dtype: 'f32', data }
              : upload(data, spec),
        }),
        'ignores where an array starts in its buffer': ({ upload }) => ({
          upload: (data, spec) => upload(new Uint8Array(data.buffer.slice(0, data.byteLength)), spec),
        }),
        'reads in the wrong order': ({ read }) => ({ read: async (tensors) => (await read(tensors)).reverse() }),
        'forgets to count what it frees': ({ memory }) => {
          let most = 0
          return {
            memory: () => {
              const use = memory()
              most = Math.max(most, use.bytes)
              return { ...use, bytes: most }
            },
          }
        },
      }
    for (const [mistake, change] of Object.entries(mistakes)) {
      it(mistake, async () => {
        const { failures } = await check(changed(change), { ops: ['memory'] })
        assert.ok(failures.length > 0)
        for (const failure of failures) assert.equal(failure.op, 'memory')
      })
    }

    it('checks no arguments', async () => {
      const { failures } = await checkBackend(await reference.open({}), {
        ops: ['embed', 'linear', 'swiglu', 'select'],
      })
      assert.deepEqual([...new Set(failures.map(({ op }) => op))], ['embed', 'linear', 'swiglu', 'select'])
      assert.ok(
        failures.every(({ kind, message }) => kind === 'errors' && message.startsWith('expected an error of code')),
      )
    })
  })

  it('says what a kernel writer needs: shapes, the first wrong place, expected, got, error and limit', async () => {
    const { failures } = await check(withOps(reference, rowMutants.find(({ op }) => op === 'linear')!.mutate(ops)), {
      ops: ['linear'],
    })
    const failure = failures.find(({ dtype }) => dtype === 'bf16')!
    assert.match(failure.name, /^x \[1, 64\] times bf16 \[33, 64\] plus bias matches float64$/)
    assert.match(
      failure.message,
      /^out \[1, 33\] first wrong at \[0, 0\]: expected \S+, got \S+; 33 of 33 values are off; normalised squared error \S+, limit 1e-10$/,
    )
  })

  it('blames only the op that is wrong', async () => {
    const module = withOps(reference, rowMutants.find(({ op }) => op === 'rmsNorm')!.mutate(ops))
    const { failures, counts } = await check(module)
    assert.deepEqual([...new Set(failures.map(({ op }) => op))], ['rmsNorm'])
    assert.equal(counts.failed, failures.length)
  })

  it('goes on when a kernel throws, and says what it threw', async () => {
    const module = withOps(reference, {
      rope() {
        throw new RangeError('of mine')
      },
    })
    const { failures, counts } = await check(module, { ops: ['rope', 'swiglu'] })
    assert.ok(failures.every(({ op, message }) => op === 'rope' && message.includes('RangeError: of mine')))
    assert.ok(counts.ok > 20)
  })

  it('finds a backend not invariant, without failing it, where it promises nothing', async () => {
    const module = withOps(
      changed(({ capabilities }) => ({ capabilities: { ...capabilities, rowInvariant: false } })),
      almost,
    )
    const limits = { rmsNorm: 1e-6 }
    const report = await check(module, { ops: ['rmsNorm', 'swiglu'], limits })
    assert.equal(report.counts.failed, 0)
    assert.ok(report.found.length > 0)
    assert.ok(report.found.every(({ op, message }) => op === 'rmsNorm' && message.startsWith('not invariant: row ')))
    assert.deepEqual(
      report.ops.map(({ op, rowInvariant }) => [op, rowInvariant]),
      [
        ['rmsNorm', 'fixed-width'],
        ['swiglu', true],
      ],
    )
  })

  it('fails the same backend where it promises invariance', async () => {
    const { failures } = await check(withOps(reference, almost), { ops: ['rmsNorm'], limits: { rmsNorm: 1e-6 } })
    assert.ok(failures.length > 0)
    assert.ok(failures.every(({ kind }) => kind === 'invariance'))
  })

  it('holds a backend that promises one width to that', async () => {
    const promise = changed(({ capabilities }) => ({ capabilities: { ...capabilities, rowInvariant: 'fixed-width' } }))
    const limits = { rmsNorm: 1e-6 }
    const { counts } = await check(withOps(promise, almost), { ops: ['rmsNorm'], limits })
    assert.equal(counts.failed, 0)
    assert.ok(counts.found > 0)
    const byPlace = withOps(promise, {
      rmsNorm(out: F32Tensor, x: F32Tensor, options: { weight: F32Tensor; epsilon: number }) {
        ops.rmsNorm(out, x, options)
        out.data[0]! *= 1.0001
      },
    })
    const { failures } = await check(byPlace, { ops: ['rmsNorm'], limits })
    assert.ok(failures.length > 0)
    assert.ok(failures.every(({ kind, name }) => kind === 'invariance' && name.startsWith('of 8 rows,')))
  })

  it('holds an op to the limit given for it', async () => {
    const { failures } = await check(withOps(reference, almost), { ops: ['rmsNorm'] })
    assert.ok(failures.some(({ kind }) => kind === 'accuracy'))
  })

  it('skips weight types that a backend does not list, and says so', async () => {
    const module = changed(({ capabilities }) => ({ capabilities: { ...capabilities, dtypes: ['f32'] } }))
    const { counts, skipped, ops: reports } = await check(module, { ops: ['linear'] })
    assert.equal(counts.failed, 0)
    assert.ok(skipped.length > 0)
    assert.ok(skipped.every(({ dtype, message }) => dtype !== 'f32' && message.includes('does not list')))
    assert.equal(reports.find(({ dtype }) => dtype === 'q8_0')?.cases, 0)
  })

  it('ends early when the signal says so, and reports what was run', async () => {
    const controller = new AbortController()
    const { aborted, counts } = await check(reference, {
      ops: ['swiglu'],
      onOutcome: ({ done }) => done === 3 && controller.abort(),
      signal: controller.signal,
    })
    assert.equal(aborted, true)
    assert.deepEqual(counts, { ok: 3, found: 0, skipped: 0, failed: 0 })
  })

  it('gives the same errors for the same seed, and others for another', async () => {
    const errors = async (seed: number) =>
      (await check(reference, { ops: ['linear'], seed })).ops.map(({ error }) => error)
    assert.deepEqual(await errors(5), await errors(5))
    assert.notDeepEqual(await errors(5), await errors(6))
  })

  it('runs cases of a caller beside its own', async () => {
    const own: Case = {
      op: 'model',
      kind: 'accuracy',
      name: 'mine',
      run: async () => ({ status: 'failed', message: 'so' }),
    }
    const { failures } = await check(reference, { cases: [...opCases({ ops: ['copyKV'] }), own] })
    assert.deepEqual(failures, [{ op: 'model', kind: 'accuracy', name: 'mine', dtype: undefined, message: 'so' }])
  })

  it('has cases of every op and kind, with names of their own', () => {
    const cases = allCases({ open: () => openBackend('reference') })
    const names = cases.map(({ op, kind, dtype, name }) => `${op} ${kind} ${dtype} ${name}`)
    assert.equal(new Set(names).size, names.length)
    for (const op of caseSubjects) {
      const kinds = new Set(cases.filter((item) => item.op === op).map(({ kind }) => kind))
      const expected = op === 'memory' ? ['accuracy', 'errors'] : ['accuracy', 'errors', 'invariance']
      assert.deepEqual([...kinds].sort(), expected, op)
    }
  })

  it('leaves a backend as it was, whatever fails', async () => {
    const backend = await openBackend(withOps(reference, attentionThrows))
    await checkBackend(backend, { ops: ['attention', 'memory', 'copyKV'] })
    assert.deepEqual(backend.memory(), { tensors: 0, caches: 0, arenas: 0, bytes: 0 })
    await backend.dispose()
  })

  it('times the ops asked for, and leaves out those that throw', async () => {
    const backend = await openBackend(withOps(reference, attentionThrows))
    const times = await timeOps(backend, { ops: ['rmsNorm', 'attention'] })
    assert.deepEqual(
      times.map(({ op }) => op),
      ['rmsNorm'],
    )
    assert.ok(times.every(({ oneRow, eightRows }) => oneRow > 0 && eightRows > 0))
    await backend.dispose()
  })
})

const attentionThrows: Partial<ReferenceOps> = {
  attention() {
    throw new Error('no attention')
  },
}
