// A draft that means no good: right for a while, then anything but. Whoever verifies it must not notice.

import type { SingleDraft } from '../decode/draft/draft.ts'
import { seeded } from '../decode/seeded.ts'
import { advance } from '../model/cache.ts'

export interface HostileOptions {
  /** What plain decoding gives after the prompt. */
  readonly plain: readonly number[]
  readonly promptTokens: number
  readonly seed: number
}

/**
 * Before it proposes anything it fills the cache after the committed rows with rows of other tokens. Then it proposes as many
 * of the plain tokens as its seed says, none among them, and goes on with other tokens: the ends of the vocabulary, ends of
 * the text, any. Now and then it proposes nothing at all. Its confidence is any.
 */
export function hostileDraft({ plain, promptTokens, seed }: HostileOptions): SingleDraft {
  return {
    name: 'hostile',
    start(model) {
      const { vocabSize, eosTokenIds } = model.config
      return {
        async propose({ sequence, limit, goesOn, arena, turn }) {
          const next = sequence.length + 1 - promptTokens
          const chance = seeded(seed, 'hostile', next)
          const right = chance.below(limit + 2) - 1
          if (right < 0) return { tokens: [], passes: 0, sublayersRun: 0 }

          await turn()
          const garbage = Int32Array.from({ length: limit }, () => chance.below(vocabSize))
          const rows = model.rows([{ sequence, count: limit }], arena)
          model.run(model.embed(garbage, rows), rows)
          advance(sequence, limit)

          const wrong = [0, vocabSize - 1, ...eosTokenIds, chance.below(vocabSize)]
          const tokens: number[] = []
          while (tokens.length < limit) {
            const known = plain[next + tokens.length]
            const anything = wrong[chance.below(wrong.length)]!
            tokens.push(tokens.length < right && known !== undefined ? known : anything)
            if (goesOn && !goesOn(chance.below(101) / 100)) break
          }
          return { tokens, passes: 1, sublayersRun: limit * model.sublayers }
        },
      }
    },
  }
}
