// The paper's draft: the model itself with some sublayers left out (Zhang et al. 2024, section 3.1).

import type { Tensor } from '../../engine/backend.ts'
import { advance } from '../../model/cache.ts'
import { planSkip, type SkipSet } from '../../model/skip.ts'
import type { ProposeSession, SingleDraft } from './draft.ts'

/**
 * Drafts with `skip` left out. Up to the first skipped sublayer a draft computes exactly what the full model
 * does, and above the layers' entries of committed tokens are the full model's, so both share one cache; what the
 * draft writes above is overwritten by verification.
 */
export function skipLayers(skip: SkipSet): SingleDraft {
  return {
    name: 'skip',
    start(model): ProposeSession {
      const { first, run } = planSkip(skip, model.config.numHiddenLayers)
      return {
        async propose({ sequence, newest, limit, goesOn, sampler, arena, turn }) {
          const hidden = arena.tensor([limit, model.config.hiddenSize])
          const tokens: (number | Tensor)[] = []
          const history = [...sequence.tokens, newest]
          let ids: Int32Array | Tensor = Int32Array.of(newest)
          while (tokens.length < limit) {
            await turn()
            const rows = model.rows([{ sequence, count: 1 }], arena)
            const prefix = model.run(model.embed(ids, rows), rows, { to: first })
            model.backend.ops.copyRows(hidden, prefix, { rows: [0], at: tokens.length })
            const last = model.run(prefix, rows, { from: first, skip })
            const logits = model.head(last, rows)
            const likeliest = model.select(logits, rows)
            advance(sequence, 1)
            if (!goesOn && !sampler) {
              tokens.push(likeliest.ids)
              ids = likeliest.ids
              continue
            }
            const wanted = [likeliest.ids, likeliest.scores, ...(sampler ? [logits] : [])]
            const [chosen, scores, values] = await model.backend.read(wanted)
            const id = sampler ? sampler.choose(values!, history) : chosen![0]!
            const [logit, logSumExp] = [sampler ? values![id]! : scores![0]!, scores![1]!]
            tokens.push(id)
            history.push(id)
            ids = Int32Array.of(id)
            if (goesOn && !goesOn(Math.exp(logit - logSumExp))) break
          }
          const passes = tokens.length
          return { tokens, prefix: { to: first, hidden, rows: passes }, passes, sublayersRun: passes * run }
        },
      }
    },
  }
}
