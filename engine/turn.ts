// Long work shares the thread: between passes the event loop gets its turn, so timers fire and Ctrl-C is heard.

import { AbortError } from './errors.ts'

/** Called between passes. Throws {@link AbortError} once the signal has fired. */
export type Turn = () => Promise<void>

/** Milliseconds that work may hold the thread before others get their turn. */
const hold = 50

/** When any work last gave the thread away: many short pieces in a row hold it as one long piece does. */
let last = 0

/** A turn-taker for one piece of work, which any of the signals ends. */
export function createTurn(...signals: readonly (AbortSignal | undefined)[]): Turn {
  return async () => {
    if (performance.now() - last >= hold) {
      await macrotask()
      last = performance.now()
    }
    const fired = signals.find((signal) => signal?.aborted)
    if (fired) throw new AbortError('the work was aborted', { cause: fired.reason })
  }
}

/** Resolves after the event loop has run what waits; in browsers a message is quicker than a timer. */
function macrotask(): Promise<void> {
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve))
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => {
      port1.close()
      resolve()
    }
    port2.postMessage(undefined)
  })
}
