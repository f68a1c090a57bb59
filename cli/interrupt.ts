// Ctrl-C: the first asks the work to end, the second ends the process.

/** Exit code of a process that Ctrl-C ended, as shells have it. */
export const interruptedExit = 130

/** Runs work under a signal that Ctrl-C aborts. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const onInterrupt = (): void => {
    if (controller.signal.aborted) process.exit(interruptedExit)
    controller.abort(new Error('Ctrl-C'))
  }
  process.on('SIGINT', onInterrupt)
  try {
    return await work(controller.signal)
  } finally {
    process.off('SIGINT', onInterrupt)
  }
}
