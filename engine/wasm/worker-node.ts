// A thread in Node: a worker, given what to do when it is made.

import { parentPort, workerData } from 'node:worker_threads'
import type { Setup } from './platform.ts'
import { work } from './work.ts'

work(workerData as Setup, () => parentPort?.postMessage('done')) // platform-node.ts makes it
