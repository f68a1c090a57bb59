// Plain decoding beside another engine: the same file and prompts, in turns within one run, on an otherwise idle machine.

import { interleave, pairedRatio, type Spread, spread } from '../decode/timing.ts'
import { createTurn } from '../engine/turn.ts'
import type { Model } from '../model/load-model.ts'
import { type HelpersTime, idleEnough, withCpuUse } from './cpu-use.ts'
import type { LlamaCpp } from './llama-cpp.ts'
import { type Decoded, type DecodeOptions, decodePlainly } from './plain.ts'

/** An engine that runs with so many threads. */
export interface PeerSide {
  readonly engine: string
  readonly threads: number
  decode(prompt: string, options: DecodeOptions): Promise<Decoded>
}

/** The sides of a comparison, each with other threads. */
export interface PeerSides {
  readonly ours: readonly PeerSide[]
  readonly theirs: readonly PeerSide[]
  /** Where others than this process do the work. */
  readonly helpers?: HelpersTime
}

export interface PeerOptions {
  readonly prompts: readonly string[]
  readonly maxNewTokens: number
  /** The share of the machine that others may have. Default {@link idleEnough}. */
  readonly mostOthers?: number
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (done: number, total: number) => void
}

export interface PeerRow {
  /** The engine. */
  readonly side: string
  readonly threads: number
  readonly tokensPerSecond: Spread
  /** Milliseconds until the first new token. */
  readonly firstTokenMs: Spread
  /** Processor milliseconds a token, prompt included, all threads together. */
  readonly cpuPerToken: Spread
  /** Over the peer with as many threads, prompt by prompt; undefined where that was not run, or one of the two is spoilt. */
  readonly ratio: Spread | undefined
  /** The largest share of the machine that others had in a run; more than {@link idleEnough} spoils the row. */
  readonly others: number
  readonly disturbed: boolean
  /** Share of positions at which our tokens are the peer's, up to the first difference of each prompt. */
  readonly agreement: number | undefined
}

/** Each engine with the threads that suit it. */
export interface BestRatio {
  readonly ours: number
  readonly theirs: number
  readonly ratio: Spread
}

export interface PeerReport {
  readonly rows: readonly PeerRow[]
  /** Undefined where a row is spoilt, for that might have been the best one. */
  readonly best: BestRatio | undefined
}

interface Run extends Decoded {
  readonly cpu: number
  readonly others: number
}

/** Decodes every prompt on every side, interleaved. Throws {@link AbortError}. */
export async function benchPeers({ ours, theirs, helpers }: PeerSides, options: PeerOptions): Promise<PeerReport> {
  const { prompts, maxNewTokens, mostOthers = idleEnough, signal, onProgress } = options
  const turn = createTurn(signal)
  const runs = new Map<PeerSide, Run[]>()

  await interleave(
    [...ours, ...theirs].map((side) => ({
      name: `${side.engine} ${side.threads}`,
      async run(prompt) {
        const decode = () => side.decode(prompts[prompt]!, { maxNewTokens, signal })
        const { result, cpu, others } = await withCpuUse(decode, { helpers })
        await turn() // an aborted text is a result too, but not one to count
        const list = runs.get(side) ?? []
        list[prompt] = { ...result, cpu: cpu / result.tokens.length, others }
        runs.set(side, list)
        return result.tokensPerSecond
      },
    })),
    { rounds: prompts.length, turn, ...(onProgress && { onRun: onProgress }) },
  )
  const rates = (side: PeerSide): number[] => runs.get(side)!.map(({ tokensPerSecond }) => tokensPerSecond)
  const othersOf = (side: PeerSide): number => Math.max(...runs.get(side)!.map((run) => run.others))
  const isSpoilt = (side: PeerSide): boolean => othersOf(side) > mostOthers
  const row = (side: PeerSide): PeerRow => {
    const own = runs.get(side)!
    const peer = theirs.find(({ threads }) => threads === side.threads)
    return {
      side: side.engine,
      threads: side.threads,
      tokensPerSecond: spread(rates(side)),
      firstTokenMs: spread(own.map(({ firstTokenMs }) => firstTokenMs)),
      cpuPerToken: spread(own.map(({ cpu }) => cpu)),
      ratio: peer && !isSpoilt(side) && !isSpoilt(peer) ? pairedRatio(rates(side), rates(peer)) : undefined,
      others: othersOf(side),
      disturbed: isSpoilt(side),
      agreement: ours.includes(side) && theirs[0] ? agreement(own, runs.get(theirs[0])!) : undefined,
    }
  }
  const fastest = (sides: readonly PeerSide[]): PeerSide | undefined =>
    sides.toSorted((a, b) => spread(rates(b)).median - spread(rates(a)).median)[0]
  const rows = [...ours, ...theirs].map(row)
  const [our, their] = rows.some(({ disturbed }) => disturbed) ? [] : [fastest(ours), fastest(theirs)]
  if (!our || !their) return { rows, best: undefined }
  return { rows, best: { ours: our.threads, theirs: their.threads, ratio: pairedRatio(rates(our), rates(their)) } }
}

/** Models of this process, each opened with other threads, beside llama.cpp, whose tokens of a prompt both are given. */
export function besideLlamaCpp(
  llama: LlamaCpp,
  { models, threads }: { readonly models: readonly Model[]; readonly threads: readonly number[] },
): PeerSides {
  return {
    ours: models.map((model) => ({
      engine: 'drafthorse',
      threads: model.backend.capabilities.threads,
      decode: (prompt, options) => decodePlainly(model, llama.encode(prompt), options),
    })),
    theirs: threads.map((count) => ({
      engine: 'llama.cpp',
      threads: count,
      decode: (prompt, options) => llama.decode(llama.encode(prompt), { ...options, threads: count }),
    })),
  }
}

function agreement(mine: readonly Run[], theirs: readonly Run[]): number | undefined {
  let same = 0
  let all = 0
  for (const [i, { tokens }] of mine.entries()) {
    const other = theirs[i]!.tokens
    const differs = tokens.findIndex((token, at) => other[at] !== undefined && token !== other[at])
    same += differs === -1 ? tokens.length : differs
    all += tokens.length
  }
  return all > 0 ? same / all : undefined
}
