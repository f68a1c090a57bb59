// Threads in a browser: module workers, where the page is cross-origin isolated and so may share memory with them.

import type { Platform } from './platform.ts'

export const platform: Platform = {
  cores: () => navigator.hardwareConcurrency,
  withoutThreads() {
    if (typeof Worker === 'undefined') return 'this browser has no workers here'
    if (!globalThis.crossOriginIsolated) {
      return 'the page is not cross-origin isolated (Cross-Origin-Opener-Policy, Cross-Origin-Embedder-Policy)'
    }
    return undefined
  },
  start(setup, { onDone, onFail }) {
    // Bundlers know this form, and add the worker's file.
    const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
    worker.onmessage = onDone
    worker.onerror = (event) => onFail(new Error(event.message))
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
