// What draws charts in a page: Chart.js, and the script of ours that hands it the data.

import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { ownFolder } from '../../bench/optional-package.ts'
import { ownRequires, resolved } from '../../engine/dawn-node.ts'
import { BackendUnavailableError } from '../../engine/errors.ts'

export interface Scripts {
  /** Sets the global `Chart`. */
  readonly library: string
  /** A module that imports nothing. */
  readonly drawing: string
}

/**
 * Reads both. Chart.js is an optional package, of the user's project or beside this one. Throws
 * {@link BackendUnavailableError} that says what to install.
 */
export async function chartScripts(): Promise<Scripts> {
  const main = ownRequires()
    .map((require) => resolved(require, 'chart.js'))
    .find((path) => path !== undefined)
  if (main === undefined) {
    throw new BackendUnavailableError('pages with charts need the package chart.js: run "npm install chart.js"')
  }
  // Beside the file for Node is the one for browsers, with all that it needs in it; its package exports only the former.
  const [code, own, colours, drawing] = await Promise.all([
    readFile(join(dirname(main), 'chart.umd.min.js'), 'utf8'),
    readFile(join(dirname(main), '../LICENSE.md'), 'utf8'),
    licenceBeside(main, '@kurkle/color'),
    readFile(join(ownFolder, 'dist/cli/report/in-page.js'), 'utf8'),
  ])
  return { library: `${licence('Chart.js', own)}${licence('@kurkle/color', colours)}${code}`, drawing }
}

/** Of what Chart.js has taken into itself, which its own file does not name. */
async function licenceBeside(main: string, name: string): Promise<string> {
  const path = resolved(createRequire(main), name)
  if (path === undefined) return 'MIT'
  return readFile(join(dirname(path), '../LICENSE.md'), 'utf8').catch(() => 'MIT')
}

/** As a comment that minifiers keep. */
function licence(name: string, text: string): string {
  return `/*!\n${name}\n\n${text.trim().replaceAll('*/', '* /')}\n*/\n`
}
