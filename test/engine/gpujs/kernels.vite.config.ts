// How bundled.test.ts builds the kernels: minified, with the plugin or, in the mode `bare`, without.
import { fileURLToPath } from 'node:url'
import { defineConfig, type UserConfigFn } from 'vite'
import { keepKernels } from './keep-kernels.ts'

const config: UserConfigFn = defineConfig(({ mode }) => ({
  root: fileURLToPath(new URL('.', import.meta.url)),
  plugins: mode === 'bare' ? [] : [keepKernels()],
  build: {
    target: 'esnext',
    minify: true,
    lib: {
      entry: fileURLToPath(new URL('../../../dist/engine/gpujs/kernels/index.js', import.meta.url)),
      formats: ['es'],
      fileName: 'kernels',
    },
    // What is a library is not minified: this is the code of an application.
    rolldownOptions: { output: { minify: true } },
  },
}))

export default config
