// A page can neither stop its own work nor wait for another thread: tokenizers and templates run in place, without limits.
// What they hang is the tab that loaded them.

import type { Platform } from './platform.ts'

export const platform: Platform = {
  within: (_ms, run) => ({ value: run() }),
  createRunner: () => ({
    async render(request) {
      const { renderTemplate } = await import('./template.ts')
      return renderTemplate(request)
    },
    end() {},
  }),
}
