// Timing the best sets, alone, beside plain decoding.

import { type GenerateOptions, generate } from '../../decode/index.ts'
import { interleave, pairedRatio, spread } from '../../decode/timing.ts'
import { createTurn } from '../../engine/turn.ts'
import type { Model } from '../../model/load-model.ts'
import type { ConfirmedRecord } from '../../search/journal.ts'
import type { Found } from '../../search/memory.ts'
import { skipOf } from '../../search/space.ts'

export interface ConfirmOptions {
  readonly sets: readonly Found[]
  /** Token ids. */
  readonly prompts: readonly (readonly number[])[]
  readonly maxNewTokens: number
  readonly signal: AbortSignal
  readonly onProgress: (done: number, total: number) => void
}

/** Rounds of comparison that there are at least: few prompts are decoded several times. */
const leastRounds = 8

/** Decodes the prompts plainly and with each set, in turns. Throws `AbortError`. */
export async function confirmSets(
  model: Model,
  { sets, prompts, maxNewTokens, signal, onProgress }: ConfirmOptions,
): Promise<ConfirmedRecord[]> {
  if (sets.length === 0) return []
  const turn = createTurn(signal)
  const texts = new Map<string, Map<number, string>>()
  const side = (name: string, options: GenerateOptions) => ({
    name,
    async run(round: number) {
      const at = round % prompts.length
      const { result } = generate(model, prompts[at]!, { ...options, maxNewTokens, signal })
      const { tokens, stats } = await result
      await turn() // an aborted text is a result too, but not one to count
      const made = texts.get(name) ?? new Map<number, string>()
      texts.set(name, made.set(at, tokens.join(' ')))
      return stats.tokensPerSecond ?? Number.NaN
    },
  })
  const sides = [
    side('', { draft: 'none' }),
    ...sets.map(({ key, point, draftLength }) => side(key, { draft: 'skip', skip: skipOf(point), draftLength })),
  ]
  const rounds = prompts.length * Math.ceil(leastRounds / prompts.length)
  const figures = await interleave(sides, { rounds, turn, onRun: onProgress })
  const [plain] = sides.map(({ name }) => figures.get(name)!)
  return sets.flatMap(({ key, draftLength, speedup: predicted }): ConfirmedRecord[] => {
    const drafted = figures.get(key)!
    // A text of one token has no speed.
    const pairs = plain!
      .map((figure, i) => [figure, drafted[i]!] as const)
      .filter((pair) => pair.every(Number.isFinite))
    if (pairs.length === 0) return []
    const [below, above] = [pairs.map(([figure]) => figure), pairs.map(([, figure]) => figure)]
    const identical = [...texts.get('')!].every(([at, text]) => texts.get(key)!.get(at) === text)
    return [
      {
        kind: 'confirmed',
        key,
        draftLength,
        plain: spread(below),
        drafted: spread(above),
        speedup: pairedRatio(above, below),
        predicted,
        identical,
      },
    ]
  })
}
