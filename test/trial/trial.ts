// What a backend on TensorFlow.js or GPU.js has to show, one thing after the other, each told as it is done. Runs where the device
// is: in this process, in a child of it, or in a browser's page. Free of Node.
import { allCases, type Case, type CaseSubject, type Outcome, runCase } from 'drafthorse/conformance'
import { type Backend, type Capabilities, openBackend } from 'drafthorse/engine'
import { tensorsOf, tfjsWebgpuTiled } from 'drafthorse/engine/tfjs'
import {
  matchGolden,
  ofF32,
  skipOthers,
  speculateEqually,
  speculateSmallEqually,
  stayLevel,
} from '../engine/tfjs/checks.ts'
import type { Files } from '../engine/tfjs/files.ts'

/** Told in this order: `open`, a `done` for each of {@link trialNames}, `end`; `word` and `failed` at any time. */
export type TrialEvent =
  | { readonly kind: 'open'; readonly capabilities: Capabilities }
  | { readonly kind: 'done'; readonly name: string; readonly outcome: Outcome; readonly golden?: number }
  /** It is at work. */
  | { readonly kind: 'word' }
  | { readonly kind: 'end' }
  | { readonly kind: 'failed'; readonly message: string }

/** How much of a trial is run. */
export interface Scope {
  /** Default: the conformance cases of all ops, and of the whole model. */
  readonly ops?: readonly CaseSubject[]
  /** Whether the golden checkpoints are compared. */
  readonly golden: boolean
  /** Over how many tokens plain and speculative text are compared, of the embedded model or of a small one. */
  readonly tokens: number
  readonly model: 'stories' | 'small'
  /** Whether memory is watched over generations. */
  readonly memory: boolean
}

/** A backend, in the way named behind it. */
export type TrialKey =
  | 'tfjs:webgpu'
  | 'tfjs:webgpu tiled'
  | 'tfjs:webgl'
  | 'tfjs:wasm'
  | 'tfjs:cpu'
  | 'gpujs:webgpu'
  | 'gpujs:gl'

export const trials: Readonly<Record<TrialKey, Scope>> = {
  'tfjs:webgpu': { golden: true, tokens: 200, model: 'stories', memory: true },
  'tfjs:webgl': { golden: true, tokens: 200, model: 'stories', memory: true },
  // Software computes some five tokens a second of the embedded model with these.
  'gpujs:webgpu': { golden: true, tokens: 60, model: 'stories', memory: true },
  'gpujs:gl': { golden: true, tokens: 24, model: 'stories', memory: true },
  // They have shown the rest in Node.
  'tfjs:wasm': { ops: ['model'], golden: true, tokens: 20, model: 'stories', memory: false },
  'tfjs:cpu': { ops: ['model'], golden: true, tokens: 20, model: 'stories', memory: false },
  // The products of a graphics card, for which software takes long.
  'tfjs:webgpu tiled': { ops: ['linear', 'model'], golden: false, tokens: 16, model: 'small', memory: false },
}

export interface TrialOptions {
  readonly key: TrialKey
  readonly files: Files
  tell(event: TrialEvent): void | Promise<void>
}

function trialCases({ ops }: Scope, open: () => Promise<Backend>): Case[] {
  return allCases({ open, ops }).filter(({ op }) => ops?.includes(op) ?? true)
}

/** Told of as one. */
const otherWeights = 'runs the cases about other weights'

export const trialName = ({ op, kind, name }: Case): string => `${op}, ${kind}: ${name}`

const wholeModels = {
  golden: 'gives the logits and greedy ids of all checkpoints with all skip sets',
  speculation: ({ tokens }: Scope) => `tells ${tokens} tokens the same whether it speculates or not`,
  memory: 'holds as many tensors after a generation as before',
} as const

/** What a trial will tell of, in its order. */
export function trialNames(key: TrialKey): string[] {
  const scope = trials[key]
  const never = (): Promise<Backend> => Promise.reject(new Error('only names are wanted'))
  return [
    ...trialCases(scope, never).filter(ofF32).map(trialName),
    otherWeights,
    ...(scope.golden ? [wholeModels.golden] : []),
    wholeModels.speculation(scope),
    ...(scope.memory ? [wholeModels.memory] : []),
  ]
}

/** Never rejects, unless `tell` does. */
export async function runTrial({ key, files, tell }: TrialOptions): Promise<void> {
  const scope = trials[key]
  const open = (): Promise<Backend> => openBackend(key === 'tfjs:webgpu tiled' ? tfjsWebgpuTiled : key)
  let backend: Backend
  try {
    backend = await open()
  } catch (error) {
    return tell({ kind: 'failed', message: `${key} does not open: ${error}` })
  }
  await tell({ kind: 'open', capabilities: backend.capabilities })
  const cases = trialCases(scope, open)
  for (const item of cases.filter(ofF32)) {
    await tell({ kind: 'done', name: trialName(item), outcome: await runCase(item, backend) })
  }
  await tell({ kind: 'done', name: otherWeights, outcome: await skipOthers(backend, cases) })
  if (scope.golden) {
    let golden = 0
    const outcome = await outcomeOf(async () => {
      golden = await matchGolden(backend, files)
    })
    await tell({ kind: 'done', name: wholeModels.golden, outcome, golden })
  }
  const { tokens } = scope
  const speculation = await outcomeOf(() =>
    scope.model === 'small'
      ? speculateSmallEqually(backend, files, tokens)
      : speculateEqually(backend, files, { tokens, onText: () => void tell({ kind: 'word' }) }),
  )
  await tell({ kind: 'done', name: wholeModels.speculation(scope), outcome: speculation })
  if (scope.memory) {
    const outcome = await outcomeOf(() => stayLevel(backend, files, { used: () => tensorsOf(backend.name), tokens: 8 }))
    await tell({ kind: 'done', name: wholeModels.memory, outcome })
  }
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
