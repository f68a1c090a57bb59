// Packages that one benchmark alone needs: heavy, so they are loaded when asked for, from the user's project or from
// bench/peers of this repository.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { BackendUnavailableError } from '../engine/errors.ts'

/** The folder of this package, wherever it is installed: this file runs from dist/bench, or in tests as the source. */
export const ownFolder: string = fileURLToPath(
  new URL(import.meta.url.endsWith('.ts') ? '../' : '../../', import.meta.url),
)

/** The folder of an installed package. Throws {@link BackendUnavailableError} that says what to install. */
export function packageFolder(name: string): string {
  for (const place of [process.cwd(), join(ownFolder, 'bench/peers')]) {
    const folder = join(place, 'node_modules', name)
    if (existsSync(join(folder, 'package.json'))) return folder
  }
  throw new BackendUnavailableError(
    `${name} is not installed: run "npm install ${name}" in your project, or "npm install" in bench/peers of this repository`,
  )
}
