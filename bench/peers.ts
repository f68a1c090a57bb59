// Plain decoding beside llama.cpp: the same file, the same prompts, in turns within one process, on an otherwise idle machine.

import { generate } from '../decode/generate.ts'
import { interleave, pairedRatio, type Side, type Spread, spread } from '../decode/timing.ts'
import { createTurn } from '../engine/turn.ts'
import type { Model } from '../model/load-model.ts'
import { withCpuUse } from './cpu-use.ts'
import type { LlamaCpp } from './llama-cpp.ts'

/** The share of the machine that others may have while a figure is taken. */
export const idleEnough = 0.05

export interface PeerOptions {
  readonly prompts: readonly string[]
  readonly maxNewTokens: number
  /** Our models, each opened with other threads, and llama.cpp's numbers of threads. */
  readonly models: readonly Model[]
  readonly threads: readonly number[]
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: (done: number, total: number) => void
}

export interface PeerRow {
  readonly side: 'drafthorse' | 'llama.cpp'
  readonly threads: number
  readonly tokensPerSecond: Spread
  /** Processor milliseconds a token, prompt included, all threads together. */
  readonly cpuPerToken: Spread
  /** Over llama.cpp with as many threads, prompt by prompt; undefined where that was not run. */
  readonly ratio: Spread | undefined
  /** The largest share of the machine that others had in a run; more than {@link idleEnough} spoils the row. */
  readonly others: number
  readonly disturbed: boolean
  /** Share of positions at which the tokens are llama.cpp's, up to the first difference of each prompt. */
  readonly agreement: number | undefined
}

interface Run {
  readonly tokens: readonly number[]
  readonly cpu: number
  readonly others: number
}

/** Decodes every prompt on every side, interleaved. Throws {@link AbortError}. */
export async function benchPeers(llama: LlamaCpp, options: PeerOptions): Promise<PeerRow[]> {
  const { prompts, maxNewTokens, models, threads, signal, onProgress } = options
  const turn = createTurn(signal)
  const encoded = prompts.map((prompt) => llama.encode(prompt))
  const runs = new Map<string, Run[]>()

  function side(
    name: string,
    decode: (ids: readonly number[]) => Promise<{ tokens: readonly number[]; milliseconds: number }>,
  ): Side {
    return {
      name,
      async run(prompt) {
        const { result, cpu, others } = await withCpuUse(() => decode(encoded[prompt]!))
        await turn() // an aborted text is a result too, but not one to count
        const { tokens, milliseconds } = result
        const list = runs.get(name) ?? []
        list[prompt] = { tokens, cpu: cpu / tokens.length, others }
        runs.set(name, list)
        return ((tokens.length - 1) / milliseconds) * 1000
      },
    }
  }
  const ours = models.map((model) =>
    side(`drafthorse ${model.backend.capabilities.threads}`, (ids) =>
      decodePlainly(model, ids, { maxNewTokens, signal }),
    ),
  )
  const theirs = threads.map((count) =>
    side(`llama.cpp ${count}`, (ids) => llama.decode(ids, { threads: count, maxNewTokens, signal })),
  )
  const figures = await interleave([...ours, ...theirs], {
    rounds: prompts.length,
    turn,
    ...(onProgress && { onRun: onProgress }),
  })
  return [...figures].map(([name, rates]): PeerRow => {
    const [who, count] = name.split(' ')
    const mine = runs.get(name)!
    const peer = figures.get(`llama.cpp ${count}`)
    const others = Math.max(...mine.map((run) => run.others))
    return {
      side: who === 'drafthorse' ? who : 'llama.cpp',
      threads: Number(count),
      tokensPerSecond: spread(rates),
      cpuPerToken: spread(mine.map(({ cpu }) => cpu)),
      ratio: peer && pairedRatio(rates, peer),
      others,
      disturbed: others > idleEnough,
      agreement: who === 'drafthorse' ? agreement(mine, runs.get(`llama.cpp ${threads[0]}`)) : undefined,
    }
  })
}

/** From the first new token to the last, as the peer is timed. */
async function decodePlainly(
  model: Model,
  ids: readonly number[],
  options: { maxNewTokens: number; signal: AbortSignal | undefined },
): Promise<{ tokens: readonly number[]; milliseconds: number }> {
  let first = 0
  let last = 0
  const stream = generate(model, ids, { ...options, draft: 'none', ignoreEos: true })
  for await (const event of stream) {
    if (event.type !== 'token') continue
    last = performance.now()
    if (event.index === 0) first = last
  }
  return { tokens: (await stream.result).tokens, milliseconds: last - first }
}

function agreement(mine: readonly Run[], theirs: readonly Run[] | undefined): number | undefined {
  if (!theirs) return undefined
  let same = 0
  let all = 0
  for (const [i, { tokens }] of mine.entries()) {
    const other = theirs[i]!.tokens
    const differs = tokens.findIndex((token, at) => token !== other[at])
    same += differs === -1 ? tokens.length : differs
    all += tokens.length
  }
  return all > 0 ? same / all : undefined
}
