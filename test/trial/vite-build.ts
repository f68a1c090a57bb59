// Builds a page with Vite.
import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

/**
 * Runs `vite build` with more arguments, and returns what it says, but for plain information. In a process of its own, for
 * Vite does not work with the loader that mocha's has.
 */
export async function viteBuild(args: readonly string[], { cwd }: { cwd?: string } = {}): Promise<string> {
  const require = createRequire(import.meta.url)
  const vite = join(dirname(require.resolve('vite/package.json')), 'bin/vite.js')
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    [vite, 'build', '--emptyOutDir', '--logLevel', 'warn', ...args],
    { timeout: 120_000, cwd },
  )
  return stdout + stderr
}
