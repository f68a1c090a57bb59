// Threads in Node: worker_threads, which do not keep the process alive while they sleep.

import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import type { Platform } from './platform.ts'

export const platform: Platform = {
  cores: availableParallelism,
  withoutThreads: () => undefined,
  mayWait: true,
  start(setup, { onDone, onFail }) {
    // Without the flags of this process: a loader, for example, would only make it start later.
    const worker = new Worker(new URL('./worker-node.js', import.meta.url), { workerData: setup, execArgv: [] })
    let ended = false
    worker.on('message', onDone)
    worker.on('error', onFail)
    worker.on('exit', (code) => {
      if (!ended) onFail(new Error(`a worker ended with code ${code}`))
    })
    worker.unref() // listening has held it
    return {
      hold: () => worker.ref(),
      letGo: () => worker.unref(),
      async end() {
        ended = true
        await worker.terminate()
      },
    }
  },
}
