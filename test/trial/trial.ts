// What a backend on a device has to show, one thing after the other, each told as it is done. Runs where the device
// is: in this process, in a child of it, or in a browser's page. Free of Node.
import { allCases, type Case, type CaseSubject, type Outcome, runCase } from 'drafthorse/conformance'
import { type Backend, type BackendModule, type Capabilities, openBackend, type WeightDType } from 'drafthorse/engine'
import { gpujsWebgpu } from 'drafthorse/engine/gpujs'
import { tensorsOf, tfjsWebgpuTiled } from 'drafthorse/engine/tfjs'
import { webgpu, webgpuWith } from 'drafthorse/engine/webgpu'
import { matchGolden, skipOthers, speculateEqually, speculateSmallEqually, stayLevel } from '../engine/tfjs/checks.ts'
import type { Files } from '../engine/tfjs/files.ts'
import {
  countRounds,
  disposeWhileReading,
  forgetReads,
  loseDevice,
  makeNoBuffers,
  refuse,
  runOutOfMemory,
  splitWeights,
} from '../engine/webgpu/checks.ts'

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
  /** Weight types that the backend runs. */
  readonly dtypes: readonly WeightDType[]
  /** Whether the golden checkpoints are compared. */
  readonly golden: boolean
  /** Over how many tokens plain and speculative text are compared, of the embedded model or of a small one. */
  readonly tokens: number
  readonly model: 'stories' | 'small'
  /** Whether memory is watched over generations. */
  readonly memory: boolean
  /** What concerns the webgpu backend alone is shown, and over how many tokens it makes no buffers. */
  readonly webgpu?: { readonly tokens: number }
}

/** A backend, in the way named behind it. */
export type TrialKey =
  | 'webgpu'
  | 'webgpu in brief'
  | 'webgpu tiled'
  | 'tfjs:webgpu'
  | 'tfjs:webgpu tiled'
  | 'tfjs:webgl'
  | 'tfjs:wasm'
  | 'tfjs:cpu'
  | 'gpujs:webgpu'
  | 'gpujs:webgpu in brief'
  | 'gpujs:gl'

const f32: readonly WeightDType[] = ['f32']
const ownTypes: readonly WeightDType[] = ['f32', 'q8_0', 'q4_0']

export const trials: Readonly<Record<TrialKey, Scope>> = {
  webgpu: { dtypes: ownTypes, golden: true, tokens: 500, model: 'stories', memory: false, webgpu: { tokens: 1000 } },
  // In Node, Dawn keeps a core busy while it waits, and software has the less.
  'webgpu in brief': {
    dtypes: ownTypes,
    golden: true,
    tokens: 64,
    model: 'stories',
    memory: false,
    webgpu: { tokens: 200 },
  },
  'tfjs:webgpu': { dtypes: f32, golden: true, tokens: 80, model: 'stories', memory: true },
  'tfjs:webgl': { dtypes: f32, golden: true, tokens: 80, model: 'stories', memory: true },
  // Software computes some five tokens a second of the embedded model with these.
  'gpujs:webgpu': { dtypes: f32, golden: true, tokens: 60, model: 'stories', memory: true },
  'gpujs:gl': { dtypes: f32, golden: true, tokens: 24, model: 'stories', memory: true },
  // They have shown the rest elsewhere.
  'gpujs:webgpu in brief': { dtypes: f32, ops: ['linear'], golden: false, tokens: 4, model: 'small', memory: false },
  'tfjs:wasm': { dtypes: f32, ops: ['model'], golden: false, tokens: 20, model: 'stories', memory: false },
  'tfjs:cpu': { dtypes: f32, ops: ['model'], golden: false, tokens: 20, model: 'stories', memory: false },
  // The products of a graphics card, for which software takes long.
  'webgpu tiled': {
    ops: ['linear'],
    dtypes: ownTypes,
    golden: false,
    tokens: 16,
    model: 'small',
    memory: false,
  },
  'tfjs:webgpu tiled': {
    dtypes: f32,
    ops: ['linear', 'model'],
    golden: false,
    tokens: 16,
    model: 'small',
    memory: false,
  },
}

export interface TrialOptions {
  readonly key: TrialKey
  readonly files: Files
  tell(event: TrialEvent): void | Promise<void>
}

/** Whether a case is about weights of these types, or of none. */
function isOf({ dtypes }: Scope, { dtype }: Case): boolean {
  return dtype === undefined || dtypes.includes(dtype)
}

function trialCases({ ops }: Scope, open: () => Promise<Backend>): Case[] {
  return allCases({ open, ops }).filter(({ op }) => ops?.includes(op) ?? true)
}

/** Told of as one. */
const otherWeights = 'runs the cases about other weights'

export const trialName = ({ op, kind, dtype, name }: Case): string => {
  const type = dtype === undefined || dtype === 'f32' ? '' : ` (${dtype})`
  return `${op}, ${kind}: ${name}${type}`
}

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
    ...trialCases(scope, never)
      .filter((item) => isOf(scope, item))
      .map(trialName),
    otherWeights,
    ...(scope.golden ? [wholeModels.golden] : []),
    wholeModels.speculation(scope),
    ...(scope.memory ? [wholeModels.memory] : []),
    ...(scope.webgpu ? Object.keys(ofWebgpu(scope.webgpu)) : []),
  ]
}

/** Backends that have no name of their own. */
const modules: Partial<Record<TrialKey, BackendModule>> = {
  'webgpu in brief': webgpu,
  'webgpu tiled': webgpuWith({ hardware: true }),
  'tfjs:webgpu tiled': tfjsWebgpuTiled,
  'gpujs:webgpu in brief': gpujsWebgpu,
}

/** What concerns the webgpu backend alone, by what it shows. */
const ofWebgpu = ({
  tokens,
}: {
  readonly tokens: number
}): Readonly<Record<string, (backend: Backend, files: Files) => Promise<void>>> => ({
  'submits once and reads once a round': countRounds,
  [`makes no buffer over ${tokens} tokens, and holds as much memory as before`]: (backend, files) =>
    makeNoBuffers(backend, files, tokens),
  'gives the same bits where weights take several buffers': splitWeights,
  'tells a lost device by a rejection, and opens another': (_, files) => loseDevice(files),
  'tells what WebGPU refuses by a rejection': () => refuse(),
  'keeps nothing of a read that has ended': () => forgetReads(),
  'gives what is being read when it is disposed': () => disposeWhileReading(),
  'tells a lack of memory by a rejection, and goes on': runOutOfMemory,
})

/** Never rejects, unless `tell` does. */
export async function runTrial({ key, files, tell }: TrialOptions): Promise<void> {
  const scope = trials[key]
  const open = (): Promise<Backend> => openBackend(modules[key] ?? key)
  let backend: Backend
  try {
    backend = await open()
  } catch (error) {
    return tell({ kind: 'failed', message: `${key} does not open: ${error}` })
  }
  await tell({ kind: 'open', capabilities: backend.capabilities })
  const cases = trialCases(scope, open)
  for (const item of cases.filter((item) => isOf(scope, item))) {
    await tell({ kind: 'done', name: trialName(item), outcome: await runCase(item, backend) })
  }
  await tell({
    kind: 'done',
    name: otherWeights,
    outcome: await skipOthers(
      backend,
      cases.filter((item) => !isOf(scope, item)),
    ),
  })
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
  if (scope.webgpu) {
    for (const [name, show] of Object.entries(ofWebgpu(scope.webgpu))) {
      await tell({ kind: 'done', name, outcome: await outcomeOf(() => show(backend, files)) })
    }
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
