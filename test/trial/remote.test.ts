// What tests see of a trial that runs elsewhere: its outcomes, and the reason when it cannot go on.
import assert from 'node:assert/strict'
import { type Launch, startRemote } from './remote.ts'
import { type TrialKey, trialNames, trials } from './trial.ts'

const [first, second] = ['the first', 'the second']
const names = [first, second]

describe('a remote trial', () => {
  it('hands each test its own outcome, and is closed at its end', async () => {
    let closed = 0
    const launch: Launch = async ({ tell }) => {
      tell({ kind: 'done', name: second, outcome: { status: 'failed', message: 'wrong' } })
      tell({ kind: 'done', name: first, outcome: { status: 'ok' } })
      tell({ kind: 'end' })
      return async () => void closed++
    }
    const remote = startRemote(launch, { names })
    assert.equal((await remote.outcome(first)).outcome.status, 'ok')
    assert.equal((await remote.outcome(second)).outcome.status, 'failed')
    await remote.ended
    await remote.end()
    assert.equal(closed, 1)
  })

  it('fails what is left, with the reason, once its place is gone', async () => {
    const remote = startRemote(
      async ({ tell, gone }) => {
        tell({ kind: 'done', name: first, outcome: { status: 'ok' } })
        gone('it crashed')
        return async () => {}
      },
      { names },
    )
    await assert.rejects(remote.outcome(second), /it crashed/)
    assert.equal((await remote.outcome(first)).outcome.status, 'ok')
  })

  it('fails all where it cannot be started', async () => {
    const remote = startRemote(() => Promise.reject(new Error('no such program')), { names })
    await assert.rejects(remote.opened, /no such program/)
    await assert.rejects(remote.outcome(first), /no such program/)
    await remote.ended
  })

  it('counts as hung when it says nothing for too long, and is ended', async () => {
    let closed = false
    const launch: Launch = async ({ tell }) => {
      tell({ kind: 'done', name: first, outcome: { status: 'ok' } })
      return async () => {
        closed = true
      }
    }
    const remote = startRemote(launch, { names, patience: 5 })
    await assert.rejects(remote.outcome(second), (error: Error) => error.message.includes(`after "${first}"`))
    await remote.ended
    assert.ok(closed)
  })

  it('knows the names of its tests only', async () => {
    const remote = startRemote(async () => async () => {}, { names })
    await assert.rejects(remote.outcome('no such test'), /no such test/)
    await remote.end()
  })

  it('has names that differ', () => {
    for (const key of Object.keys(trials) as TrialKey[]) {
      assert.equal(new Set(trialNames(key)).size, trialNames(key).length)
    }
  })
})
