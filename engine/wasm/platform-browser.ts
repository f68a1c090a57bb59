// Threads in a browser: module workers, where the page is cross-origin isolated and so may share memory with them.

import type { Platform } from './platform.ts'

const unloaded =
  "its file, worker.js, could not be loaded: it is missing, or lacks the page's header Cross-Origin-Embedder-Policy"

export const platform: Platform = {
  cores: () => navigator.hardwareConcurrency,
  withoutThreads() {
    if (typeof Worker === 'undefined') return 'this browser has no workers here'
    if (!globalThis.crossOriginIsolated) {
      return 'the page is not cross-origin isolated (Cross-Origin-Opener-Policy, Cross-Origin-Embedder-Policy)'
    }
    return undefined
  },
  mayWait: false,
  start(setup, { onDone, onFail, workerUrl }) {
    const worker =
      workerUrl === undefined
        ? // Bundlers know this form, and add the worker's file.
          new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
        : new Worker(workerUrl, { type: 'module' })
    worker.onmessage = onDone
    worker.onerror = (event) => {
      event.preventDefault() // whoever waits for the thread hears of it
      onFail(new Error(event.message || unloaded)) // a file that did not load makes an event without a message
    }
    worker.postMessage(setup)
    return {
      hold() {},
      letGo() {},
      async end() {
        worker.terminate()
      },
    }
  },
}
