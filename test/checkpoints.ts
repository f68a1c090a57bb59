// The models that tests run: tiny checkpoints with golden data from transformers, stories260K, and edited copies of these.
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { SkipSet } from 'drafthorse'
import { type ModelFiles, memoryFiles } from 'drafthorse/model'
import { memorySource } from '../model/load/files.ts'
import { parseSafetensors } from '../model/load/safetensors.ts'

export const checkpoints = [
  'llama2-f32',
  'gqa-tied-bf16',
  'wide-head-bias-f32',
  'llama3-rope-sharded-f16',
  'linear-rope-deep-bf16',
] as const

export type CheckpointName = (typeof checkpoints)[number]

const oracles = new URL('oracles/', import.meta.url)

/** A path inside test/oracles. */
export function oracle(path: string): string {
  return fileURLToPath(new URL(path, oracles))
}

export function folderOf(name: CheckpointName): string {
  return oracle(`hf/${name}`)
}

export const stories260K: string = oracle('stories260K/stories260K.bin')

/** What transformers gave for one skip set. */
export interface GoldenCase {
  readonly name: string
  readonly skip: SkipSet
  /** `[inputIds, vocabSize]`. */
  readonly logits: Float32Array
  readonly greedyIds: readonly number[]
  /** Between the two largest logits, at each of `greedyIds`. */
  readonly margins: readonly number[]
}

export interface Golden {
  readonly inputIds: readonly number[]
  readonly cases: readonly GoldenCase[]
}

export async function readGolden(name: CheckpointName): Promise<Golden> {
  const json = JSON.parse(await readFile(`${folderOf(name)}/golden.json`, 'utf8'))
  const bytes = await readFile(`${folderOf(name)}/golden.safetensors`)
  const { tensors } = await parseSafetensors(memorySource('golden.safetensors', bytes))
  const cases: GoldenCase[] = []
  for (const key of Object.keys(json.cases)) {
    const { skip, greedy_ids: greedyIds, margins } = json.cases[key]
    const logits = new Float32Array(Uint8Array.from(await tensors.get(`logits.${key}`)!.read()).buffer)
    cases.push({ name: key, skip, logits, greedyIds, margins })
  }
  return { inputIds: json.input_ids, cases }
}

/** How many of the golden ids stand firm: those before the first choice that rounding could turn. */
export function firm({ margins }: { readonly margins: readonly number[] }): number {
  const close = margins.findIndex((margin) => margin < 1e-3)
  return close === -1 ? margins.length : close
}

/** A checkpoint in memory, with other values in its config.json; what ends a text is then the config's to say. */
export async function edited(name: CheckpointName, config: Readonly<Record<string, unknown>>): Promise<ModelFiles> {
  const entries: Record<string, Uint8Array> = {}
  for (const file of await readdir(folderOf(name))) {
    if (!/golden|generation_config/.test(file)) entries[file] = await readFile(`${folderOf(name)}/${file}`)
  }
  const original = JSON.parse(new TextDecoder().decode(entries['config.json']))
  entries['config.json'] = new TextEncoder().encode(JSON.stringify({ ...original, ...config }))
  return memoryFiles(name, entries)
}

/** The id of the largest logit of a row `[vocabSize]`, the lowest on ties. */
export function argmax(row: Float32Array): number {
  return row.reduce((best, value, id) => (value > row[best]! ? id : best), 0)
}
