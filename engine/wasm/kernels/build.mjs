// Compiles the kernels and embeds them in a module, `engine/wasm/binary.ts`, so that no file has to be found at run time.

import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import asc from 'assemblyscript/asc'

const here = dirname(fileURLToPath(import.meta.url))
const wasm = `${here}/kernels.wasm`
const flags = [
  ...['--runtime', 'stub', '--importMemory', '--noExportMemory', '--sharedMemory'],
  ...['--enable', 'threads', '--enable', 'simd'],
  // The host gives the memory; it may have up to 4 GiB. Below 1024 are the words of control.ts.
  ...['--initialMemory', '1', '--maximumMemory', '65536', '--memoryBase', '1024'],
  ...['-O3', '--noAssert', '--disableWarning', '112'],
]

/** A file with all that it imports, in base64. */
async function compile(file, ...more) {
  const { error, stderr } = await asc.main([`${here}/${file}`, '--outFile', wasm, ...flags, ...more])
  process.stderr.write(stderr.toString())
  if (error) process.exit(1)
  const text = readFileSync(wasm).toString('base64')
  rmSync(wasm)
  return text
}

writeFileSync(
  `${here}/../binary.ts`,
  `// The kernels, compiled: made by kernels/build.mjs.

/** A WebAssembly module, in base64. */
export const binary: string =
  '${await compile('index.ts')}'

/** The module of those that need relaxed SIMD. */
export const relaxedBinary: string =
  '${await compile('relaxed.ts', '--enable', 'relaxed-simd')}'
`,
)
