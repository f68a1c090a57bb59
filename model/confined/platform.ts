// What differs between Node and browsers: whether what strangers wrote can be stopped. The package's "#confined" import
// chooses.

import type { RenderRequest, Reply } from './template.ts'

export interface TemplateRunner {
  render(request: RenderRequest): Promise<Reply>
  /** Ends what runs for it elsewhere: who waits for that is told `ended`. A later call starts it anew. */
  end(): void
}

export interface Platform {
  /** The value of `run`, or `undefined` where it was stopped after `ms` milliseconds. Where nothing can be, it has no limit. */
  within<T>(ms: number, run: () => T): { readonly value: T } | undefined
  /** Renders templates; nothing is started before the first. */
  createRunner(): TemplateRunner
}
