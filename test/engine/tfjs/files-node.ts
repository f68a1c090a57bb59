// The repository's files on this disk.
import { readdir, readFile } from 'node:fs/promises'
import type { Files } from './files.ts'

const root = new URL('../../../', import.meta.url)

export const nodeFiles: Files = {
  read: (path) => readFile(new URL(path, root)),
  async list(folder) {
    const entries = await readdir(new URL(folder, root), { withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map((entry) => entry.name)
  },
}
