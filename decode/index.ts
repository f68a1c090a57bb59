// Decoding: generation, and the parts that it is made of.

export type { DraftCosts } from '../model/draft-costs.ts'
export { acceptEqual } from './accept/equality.ts'
export { type BatchEvent, type BatchOptions, type BatchPrompt, type BatchStream, generateBatch } from './batch.ts'
export { cascade } from './draft/cascade.ts'
export type {
  CascadeDraft,
  Draft,
  DraftRound,
  DraftSampler,
  DraftSession,
  Guess,
  GuessSession,
  Prefix,
  Proposal,
  ProposeSession,
  SingleDraft,
} from './draft/draft.ts'
export { type PromptLookupOptions, promptLookup } from './draft/prompt-lookup.ts'
export { type SkipLayersOptions, skipLayers } from './draft/skip-layers.ts'
export { type AdaptiveOptions, type AdaptiveState, adaptive, adaptiveState } from './draft-length/adaptive.ts'
export { type CostModel, type CostModelOptions, type CostModelSession, costModel } from './draft-length/cost-model.ts'
export type {
  DraftAsk,
  DraftLength,
  DraftLengthSession,
  DraftLengthStart,
  DraftLimit,
  LaneReport,
  RoundReport,
} from './draft-length/draft-length.ts'
export { fixedLength } from './draft-length/fixed.ts'
export type { LedgerState } from './draft-length/ledger.ts'
export { type ThresholdOptions, threshold } from './draft-length/threshold.ts'
export type { DraftOptions } from './draft-options.ts'
export type { FinishReason, GenerationEvent, GenerationResult } from './events.ts'
export { generate } from './generate.ts'
export type { GenerateOptions, TextOptions } from './options.ts'
export { distribution, type Sampler, type SamplingOptions } from './sampler.ts'
export type { DraftStats, GenerationStats, RoundTrace } from './stats.ts'
export type { GenerationStream } from './stream.ts'
export { interleave, pairedRatio, type Side, type Spread, spread, type TimingOptions } from './timing.ts'
