// A thread in a browser: a module worker, told what to do by its first message.

import type { Setup } from './platform.ts'
import { work } from './work.ts'

// In a worker, `postMessage` takes no origin.
const post = postMessage as (message: unknown) => void

addEventListener('message', ({ data }: MessageEvent<Setup>) => work(data, () => post('done')), { once: true })
