// A generation's figures in words.

import type { GenerationResult } from '../decode/events.ts'
import type { SkipSet } from '../model/skip.ts'

/** One line: how much, how fast, and what drafting brought. */
export function summaryLine({ finishReason, stats }: GenerationResult): string {
  const parts = [`${stats.newTokens} tokens (${finishReason})`]
  if (stats.tokensPerSecond !== undefined) parts.push(`${stats.tokensPerSecond.toFixed(1)} tokens/s`)
  parts.push(`${stats.rounds} passes of the full model`)
  if (stats.acceptanceRate !== undefined) {
    parts.push(`${stats.acceptedTokens} of ${stats.draftedTokens} drafts accepted (${percent(stats.acceptanceRate)})`)
  }
  if (stats.seed !== undefined) parts.push(`seed ${stats.seed}`)
  return parts.join(', ')
}

export function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

/** `attention 3-11, MLP 3-11`. */
export function describeSkip({ attention, mlp }: SkipSet): string {
  if (attention.length + mlp.length === 0) return 'nothing'
  const parts: string[] = []
  if (attention.length > 0) parts.push(`attention ${ranges(attention)}`)
  if (mlp.length > 0) parts.push(`MLP ${ranges(mlp)}`)
  return parts.join(', ')
}

/** Whole numbers with their runs joined: `0, 3-5`. */
function ranges(layers: readonly number[]): string {
  const runs: { from: number; to: number }[] = []
  for (const layer of layers.toSorted((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last && layer <= last.to + 1) last.to = layer
    else runs.push({ from: layer, to: layer })
  }
  return runs.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`)).join(', ')
}
