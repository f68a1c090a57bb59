// Every kernel by its name.

import { add } from './add.ts'
import { addBias } from './add-bias.ts'
import { attentionLargest } from './attention-largest.ts'
import { attentionMix } from './attention-mix.ts'
import { attentionScores } from './attention-scores.ts'
import { attentionWeights } from './attention-weights.ts'
import { embed } from './embed.ts'
import { embedConstant } from './embed-constant.ts'
import { keep } from './keep.ts'
import { linear } from './linear.ts'
import { linearConstant } from './linear-constant.ts'
import { normFactor } from './norm-factor.ts'
import { normScale } from './norm-scale.ts'
import { pick } from './pick.ts'
import { place } from './place.ts'
import { rotate } from './rotate.ts'
import { selectBlock } from './select-block.ts'
import { selectId } from './select-id.ts'
import { selectScores } from './select-scores.ts'
import { selectSum } from './select-sum.ts'
import { swiglu } from './swiglu.ts'

export const kernelNames = [
  'add',
  'addBias',
  'attentionLargest',
  'attentionMix',
  'attentionScores',
  'attentionWeights',
  'embed',
  'embedConstant',
  'keep',
  'linear',
  'linearConstant',
  'normFactor',
  'normScale',
  'pick',
  'place',
  'rotate',
  'selectBlock',
  'selectId',
  'selectScores',
  'selectSum',
  'swiglu',
] as const

export type KernelName = (typeof kernelNames)[number]

/** Functions, or their texts where a bundler was told to keep these. */
export const kernels: Readonly<Record<KernelName, unknown>> = {
  add,
  addBias,
  attentionLargest,
  attentionMix,
  attentionScores,
  attentionWeights,
  embed,
  embedConstant,
  keep,
  linear,
  linearConstant,
  normFactor,
  normScale,
  pick,
  place,
  rotate,
  selectBlock,
  selectId,
  selectScores,
  selectSum,
  swiglu,
}
