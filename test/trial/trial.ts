// All that a backend on TensorFlow.js has to show, one thing after the other, each told as it is done. Runs where the device
// is: in this process, in a child of it, or in a browser's page. Free of Node.
import { allCases, type Case, type Outcome, runCase } from 'drafthorse/conformance'
import type { Backend, Capabilities } from 'drafthorse/engine'
import { tensorsOf } from 'drafthorse/engine/tfjs'
import { matchGolden, speculateEqually, stayLevel } from '../engine/tfjs/checks.ts'
import type { Files } from '../engine/tfjs/files.ts'

/** Told in this order: `open`, a `done` for each of {@link trialNames}, `end`; `word` and `failed` at any time. */
export type TrialEvent =
  | { readonly kind: 'open'; readonly capabilities: Capabilities }
  | { readonly kind: 'done'; readonly name: string; readonly outcome: Outcome; readonly golden?: number }
  /** It is at work. */
  | { readonly kind: 'word' }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly message: string }

export interface TrialOptions {
  /** Of the backend, like `tfjs:webgl`. */
  readonly name: string
  readonly files: Files
  open(): Promise<Backend>
  tell(event: TrialEvent): void | Promise<void>
}

/** Over how many tokens plain and speculative text are compared. */
export const trialTokens = 200

/** The conformance cases with f32 weights, the one type of these backends. */
export function trialCases(open: () => Promise<Backend>): Case[] {
  return allCases({ open }).filter(({ dtype }) => (dtype ?? 'f32') === 'f32')
}

export const trialName = ({ op, kind, name }: Case): string => `${op}, ${kind}: ${name}`

const wholeModels = {
  golden: 'gives the logits and greedy ids of all checkpoints with all skip sets',
  speculation: `tells ${trialTokens} tokens the same whether it speculates or not`,
  memory: 'holds as many tensors after a generation as before',
} as const

/** What a trial will tell of, in its order. */
export function trialNames(): string[] {
  const never = (): Promise<Backend> => Promise.reject(new Error('only names are wanted'))
  return [...trialCases(never).map(trialName), ...Object.values(wholeModels)]
}

/** Never rejects, unless `tell` does. */
export async function runTrial({ name, files, open, tell }: TrialOptions): Promise<void> {
  let backend: Backend
  try {
    backend = await open()
  } catch (error) {
    return tell({ kind: 'failed', message: `${name} does not open: ${error}` })
  }
  await tell({ kind: 'open', capabilities: backend.capabilities })
  for (const item of trialCases(open)) {
    await tell({ kind: 'done', name: trialName(item), outcome: await runCase(item, backend) })
  }
  let golden = 0
  const golds = await outcomeOf(async () => {
    golden = await matchGolden(backend, files)
  })
  await tell({ kind: 'done', name: wholeModels.golden, outcome: golds, golden })
  const speculation = await outcomeOf(() =>
    speculateEqually(backend, files, { tokens: trialTokens, onText: () => void tell({ kind: 'word' }) }),
  )
  await tell({ kind: 'done', name: wholeModels.speculation, outcome: speculation })
  const memory = await outcomeOf(() => stayLevel(backend, files, () => tensorsOf(name)))
  await tell({ kind: 'done', name: wholeModels.memory, outcome: memory })
  await backend.dispose()
  await tell({ kind: 'end' })
}

async function outcomeOf(check: () => Promise<void>): Promise<Outcome> {
  try {
    await check()
    return { status: 'ok' }
  } catch (error) {
    return { status: 'failed', message: error instanceof Error ? `${error.stack ?? error}` : String(error) }
  }
}
