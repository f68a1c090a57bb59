// What is known of the tiny checkpoints: their names, and what transformers gave for them. Free of Node, for browsers.
import type { SkipSet } from 'drafthorse'
import { memorySource } from '../model/load/files.ts'
import { parseSafetensors } from '../model/load/safetensors.ts'

export const checkpoints = [
  'llama2-f32',
  'gqa-tied-bf16',
  'wide-head-bias-f32',
  'llama3-rope-sharded-f16',
  'linear-rope-deep-bf16',
  'mistral',
  'mistral-window-16',
  'qwen2',
  'qwen3',
] as const

export type CheckpointName = (typeof checkpoints)[number]

/** Its folder in test/oracles. */
export function oracleFolder(name: CheckpointName): string {
  return `${/^(mistral|qwen)/.test(name) ? 'hf-families' : 'hf'}/${name}`
}

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

/** What golden.json and golden.safetensors of a checkpoint hold. */
export async function parseGolden(json: Uint8Array, bytes: Uint8Array): Promise<Golden> {
  const { input_ids: inputIds, cases: byName } = JSON.parse(new TextDecoder().decode(json))
  const { tensors } = await parseSafetensors(memorySource('golden.safetensors', bytes))
  const cases: GoldenCase[] = []
  for (const name of Object.keys(byName)) {
    const { skip, greedy_ids: greedyIds, margins } = byName[name]
    const logits = new Float32Array(Uint8Array.from(await tensors.get(`logits.${name}`)!.read()).buffer)
    cases.push({ name, skip, logits, greedyIds, margins })
  }
  return { inputIds, cases }
}

/** How many of the golden ids stand firm: those before the first choice that rounding could turn. */
export function firm({ margins }: { readonly margins: readonly number[] }): number {
  const close = margins.findIndex((margin) => margin < 1e-3)
  return close === -1 ? margins.length : close
}

/** The id of the largest logit of a row `[vocabSize]`, the lowest on ties. */
export function argmax(row: Float32Array): number {
  return row.reduce((best, value, id) => (value > row[best]! ? id : best), 0)
}
