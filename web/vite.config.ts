// How the page is built and served. A project with Drafthorse installed needs the headers and nothing else.

import type { UserConfig } from 'vite'

/** With these the page may share memory with its workers; every file has to come with them, the workers' too. */
const headers = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
}

const config: UserConfig = {
  // Relative, so that the page can be served from any folder.
  base: './',
  // Small files of the model stay files.
  build: { target: 'es2022', assetsInlineLimit: 0 },
  server: { headers },
  preview: { headers },
}

export default config
