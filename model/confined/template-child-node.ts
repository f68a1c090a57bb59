// Renders chat templates in a process of its own, which stops one that takes too long, ends where one takes too much memory,
// and ends once nobody listens.

import { type RenderRequest, renderTemplate } from './template.ts'
import { within } from './within-node.ts'

/** Milliseconds that a template may take. */
const limit = 2000

process.on('SIGINT', () => {}) // Ctrl-C is for the process that asks
process.on('message', (request: RenderRequest) => {
  process.send?.(within(limit, () => renderTemplate(request))?.value ?? { kind: 'late' })
})
