// Ctrl-C, SIGTERM and SIGHUP: the first asks the work to end, the second ends the process.

/** Exit code of a process that Ctrl-C ended, as shells have it. */
export const interruptedExit = 130

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/**
 * Runs work under a signal that Ctrl-C aborts, and what asks the process to end. Where it was asked so, it ends by that very
 * signal once the work has put its things away, as who sent it expects.
 */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  let ending: NodeJS.Signals | undefined
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) process.exit(interruptedExit)
    if (name !== 'SIGINT') ending = name
    controller.abort(new Error(name === 'SIGINT' ? 'Ctrl-C' : name))
  }
  for (const name of signals) process.on(name, onSignal)
  try {
    return await work(controller.signal)
  } finally {
    for (const name of signals) process.off(name, onSignal)
    if (ending) process.kill(process.pid, ending)
  }
}
