// Drafts that guess, for tests: their sessions, and how much of a text they would have brought.
import assert from 'node:assert/strict'
import type { GuessSession, SingleDraft } from 'drafthorse/decode'
import type { Llama } from 'drafthorse/model'

/** A session of a draft that guesses. */
export function startGuessing(draft: SingleDraft, model: Llama): GuessSession {
  const session = draft.start(model)
  assert.ok('guess' in session)
  return session
}

/** The same draft as one that proposes, so that whatever it guesses is verified. */
export function proposing(draft: SingleDraft): SingleDraft {
  return {
    name: draft.name,
    start(model) {
      const session = startGuessing(draft, model)
      return {
        async propose({ sequence, newest, limit }) {
          const { tokens } = session.guess([...sequence.tokens, newest], limit)
          return { tokens, passes: 0, sublayersRun: 0 }
        },
      }
    },
  }
}
