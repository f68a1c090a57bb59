// The files of this repository, as the tests of the package look at them. Paths are relative to the root, with '/'.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root: string = fileURLToPath(new URL('../..', import.meta.url))

/** What .gitignore keeps out, and git itself. */
const ignored = new Set(['.git', 'node_modules', 'dist', '.tmp'])

/** Every file of the project below `folder`, sorted; nothing that is installed or built. */
export function projectFiles(folder = ''): string[] {
  const files: string[] = []
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    if (ignored.has(entry.name) || entry.name.endsWith('.tsbuildinfo')) continue
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`
    if (entry.isDirectory()) files.push(...projectFiles(path))
    else if (entry.isFile()) files.push(path)
  }
  return files.sort()
}

export function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}

// biome-ignore lint/suspicious/noExplicitAny: JSON of a foreign shape; the tests look at single fields
export function readJson(path: string): any {
  return JSON.parse(read(path))
}
