// Renders chat templates in a process of its own, which is ended if one takes too long, and ends by itself where one takes too
// much memory, or once nobody listens.

import type { Reply } from './platform.ts'
import { type RenderRequest, renderTemplate } from './template.ts'

const send = (message: Reply<string> | 'begun'): void => void process.send?.(message)

process.on('SIGINT', () => {}) // Ctrl-C is for the process that asks
process.on('message', (request: RenderRequest) => {
  // Only once the first message is on its way does the clock run for what may never end.
  process.send?.('begun', () => send(renderTemplate(request)))
})
