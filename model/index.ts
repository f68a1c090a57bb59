// The model: Llama on a backend, its files, its cache and its skip sets.

export { advance, commit, createSequence, reusePrefix, type Sequence, type SequenceOptions, truncate } from './cache.ts'
export type { Chat, ChatMessage, ChatOptions } from './chat.ts'
export type { SpecialTokens, TextPart } from './codec.ts'
export { type LlamaConfig, parseConfig, type RopeScaling } from './config.ts'
export type { DraftCosts } from './draft-costs.ts'
export type { DraftHead, DraftHeadLoan } from './draft-head.ts'
export type { ModelType } from './families.ts'
export { mostFrequentIds } from './frequent-ids.ts'
export { createLlama, type Llama, type Rows, type SequenceRows, type Span } from './llama.ts'
export { type Checkpoint, openCheckpoint, type StoredTensor } from './load/checkpoint.ts'
export { type ByteSource, type ModelFiles, memoryFiles } from './load/files.ts'
export { type UrlFilesOptions, urlFiles } from './load/files-url.ts'
export { type LoadOptions, loadModel, type Model } from './load-model.ts'
export { modelId } from './model-id.ts'
export { inverseFrequencies } from './rope.ts'
export {
  type Conversion,
  type ConversionDType,
  type ConvertOptions,
  type ConvertProgress,
  convertModel,
  type ModelFormat,
} from './save/convert.ts'
export { type FileSink, type ModelSink, memorySink } from './save/sink.ts'
export { noSkip, planSkip, type SkipPlan, type SkipSet } from './skip.ts'
export { type SkipDetails, type SkipOwner, saveSkip } from './skip-cache.ts'
export { parseSkipEntry, parseSkipFile, type SkipEntry } from './skip-file.ts'
export type { SkipCosts, SkipPrior } from './skip-prior.ts'
export type { EncodeOptions, TextStream, Tokenizer } from './tokenizer.ts'
export {
  type LayerWeights,
  type LinearWeights,
  type LlamaWeights,
  tensorShapes,
  type UploadProgress,
  type WeightsSummary,
} from './weights.ts'
