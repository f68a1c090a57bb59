// The repository's files, read from a disk or from a server: paths are relative to its root.
import { type ModelFiles, memoryFiles } from 'drafthorse/model'

export interface Files {
  read(path: string): Promise<Uint8Array>
  /** Names of the files in a folder. */
  list(folder: string): Promise<readonly string[]>
}

/** A model's files, in memory. */
export async function modelFiles(files: Files, folder: string): Promise<ModelFiles> {
  const entries: Record<string, Uint8Array> = {}
  for (const name of await files.list(folder)) {
    if (/\.(json|safetensors)$/.test(name) && !name.startsWith('golden')) {
      entries[name] = await files.read(`${folder}/${name}`)
    }
  }
  return memoryFiles(folder.split('/').at(-1)!, entries)
}
