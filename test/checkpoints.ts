// The models that tests run: tiny checkpoints with golden data from transformers, stories260K, and edited copies of these.
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { type ModelFiles, memoryFiles } from 'drafthorse/model'
import { type CheckpointName, type Golden, oracleFolder, parseGolden } from './checkpoint-data.ts'

export * from './checkpoint-data.ts'

const oracles = new URL('oracles/', import.meta.url)

/** A path inside test/oracles. */
export function oracle(path: string): string {
  return fileURLToPath(new URL(path, oracles))
}

export function folderOf(name: CheckpointName): string {
  return oracle(oracleFolder(name))
}

export const stories260K: string = oracle('stories260K/stories260K.bin')

export async function readGolden(name: CheckpointName): Promise<Golden> {
  const folder = folderOf(name)
  return parseGolden(await readFile(`${folder}/golden.json`), await readFile(`${folder}/golden.safetensors`))
}

/**
 * A checkpoint in memory, with other values in its config.json; what ends a text is then the config's to say. `files` come
 * beside it, by name.
 */
export async function edited(
  name: CheckpointName,
  config: Readonly<Record<string, unknown>>,
  files: Readonly<Record<string, string>> = {},
): Promise<ModelFiles> {
  const entries: Record<string, Uint8Array> = {}
  for (const file of await readdir(folderOf(name))) {
    if (!/golden|generation_config/.test(file)) entries[file] = await readFile(`${folderOf(name)}/${file}`)
  }
  const original = JSON.parse(new TextDecoder().decode(entries['config.json']))
  entries['config.json'] = new TextEncoder().encode(JSON.stringify({ ...original, ...config }))
  for (const [file, text] of Object.entries(files)) entries[file] = new TextEncoder().encode(text)
  return memoryFiles(name, entries)
}
