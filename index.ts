// Drafthorse: Llama models on a tensor engine of its own, made faster by drafting with their own sublayers skipped.

export {
  type BatchEvent,
  type BatchOptions,
  type BatchPrompt,
  type BatchStream,
  type Draft,
  type DraftLength,
  distribution,
  type FinishReason,
  type GenerateOptions,
  type GenerationEvent,
  type GenerationResult,
  type GenerationStats,
  type GenerationStream,
  generate,
  generateBatch,
  type SamplingOptions,
} from './decode/index.ts'
export { dequantize } from './engine/convert.ts'
export * from './engine/errors.ts'
export { type BackendListing, listBackends, openBackend } from './engine/open.ts'
export type { ChatMessage, ChatOptions } from './model/chat.ts'
export { type LoadOptions, loadModel, type Model } from './model/load-model.ts'
export type { SkipSet } from './model/skip.ts'
