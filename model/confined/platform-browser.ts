// In a browser a page may not wait for another thread, and there is no process to limit: tokenizers and templates run in
// place. What they hang is the tab that loaded them.

import type { Platform } from './platform.ts'

export const platform: Platform = {
  startCodec: () => undefined,
  createRunner: () => ({
    async render(request) {
      const { renderTemplate } = await import('./template.ts')
      return renderTemplate(request)
    },
    end() {},
  }),
}
