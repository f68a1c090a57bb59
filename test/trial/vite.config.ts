// How the page of a trial is built: as a project that has Drafthorse installed would, with TensorFlow.js and GPU.js from test/peers.
import { fileURLToPath } from 'node:url'
import { defineConfig, type Plugin, type UserConfig } from 'vite'

const here = new URL('.', import.meta.url)
const peers = fileURLToPath(new URL('../peers/package.json', here))

/** A module of Node in the page is an error. */
const resolution: Plugin = {
  name: 'peers',
  enforce: 'pre',
  resolveId(id, importer) {
    if (id.startsWith('node:')) throw new Error(`${importer} imports ${id}, which no browser has`)
    return /^(@tensorflow\/|gpu\.js$)/.test(id) ? this.resolve(id, peers, { skipSelf: true }) : undefined
  },
}

const config: UserConfig = defineConfig({
  root: fileURLToPath(here),
  plugins: [resolution],
  build: {
    target: 'esnext',
    minify: false,
    rolldownOptions: { input: ['page.html', 'by-url.html'].map((name) => fileURLToPath(new URL(name, here))) },
  },
})

export default config
