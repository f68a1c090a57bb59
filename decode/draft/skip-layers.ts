// The paper's draft: the model itself with some sublayers left out (Zhang et al. 2024, section 3.1).

import type { Tensor } from '../../engine/backend.ts'
import { advance } from '../../model/cache.ts'
import { planSkip, type SkipSet } from '../../model/skip.ts'
import type { Draft } from './draft.ts'

/**
 * Drafts greedily with `skip` left out. Up to the first skipped sublayer a draft computes exactly what the full model
 * does, and above the layers' entries of committed tokens are the full model's, so both share one cache; what the
 * draft writes above is overwritten by verification.
 */
export function skipLayers(skip: SkipSet): Draft {
  return {
    name: 'skip',
    start(model) {
      const { first, run } = planSkip(skip, model.config.numHiddenLayers)
      return {
        async propose({ sequence, newest, limit, goesOn, arena, turn }) {
          const hidden = arena.tensor([limit, model.config.hiddenSize])
          const tokens: (number | Tensor)[] = []
          let ids: Int32Array | Tensor = Int32Array.of(newest)
          while (tokens.length < limit) {
            await turn()
            const rows = model.rows([{ sequence, count: 1 }], arena)
            const prefix = model.run(model.embed(ids, rows), rows, { to: first })
            model.backend.ops.copyRows(hidden, prefix, { rows: [0], at: tokens.length })
            const last = model.run(prefix, rows, { from: first, skip })
            const selected = model.select(model.head(last, rows), rows)
            advance(sequence, 1)
            if (!goesOn) {
              tokens.push(selected.ids)
              ids = selected.ids
              continue
            }
            const [chosen, scores] = await model.backend.read([selected.ids, selected.scores])
            const [id, logit, logSumExp] = [chosen![0]!, scores![0]!, scores![1]!]
            tokens.push(id)
            ids = Int32Array.of(id)
            if (!goesOn(Math.exp(logit - logSumExp))) break
          }
          const passes = tokens.length
          return { tokens, prefix: { to: first, hidden, rows: passes }, passes, sublayersRun: passes * run }
        },
      }
    },
  }
}
