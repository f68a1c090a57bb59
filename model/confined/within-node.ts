// Runs what may never end for a while. V8 can end what a script of node:vm has called, regular expressions among it.

import { createContext, Script } from 'node:vm'

let script: Script | undefined
let context: { run: (() => void) | undefined } | undefined

/** The value of `run`, or `undefined` where it was stopped after `ms` milliseconds. Throws what `run` throws. */
export function within<T>(ms: number, run: () => T): { readonly value: T } | undefined {
  script ??= new Script('run()')
  context ??= createContext({ run: undefined }) as { run: undefined } // what it was given
  let result: { value: T } | undefined
  context.run = () => {
    result = { value: run() }
  }
  try {
    script.runInContext(context, { timeout: Math.ceil(ms) })
  } catch (error) {
    if (!isTimeout(error)) throw error
  } finally {
    context.run = undefined
  }
  return result
}

/** It is an Error of the context, and so none of this realm. */
function isTimeout(error: unknown): boolean {
  const isObject = typeof error === 'object' && error !== null
  return isObject && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}
