// Loading: from a name or a folder to a model that runs.

import type { Backend, BackendModule } from '../engine/backend.ts'
import type { StoredDType, WeightDType } from '../engine/dtype.ts'
import { ArgumentError, DTypeError, ModelFormatError, NotFoundError, OutOfMemoryError } from '../engine/errors.ts'
import { openBackend } from '../engine/open.ts'
import { createTurn } from '../engine/turn.ts'
import { advance, createSequence, type Sequence } from './cache.ts'
import type { LlamaConfig } from './config.ts'
import { createLlama, type Llama } from './llama.ts'
import { type Checkpoint, openCheckpoint } from './load/checkpoint.ts'
import type { ModelFiles } from './load/files.ts'
import { noSkip, planSkip, type SkipSet } from './skip.ts'
import type { Tokenizer } from './tokenizer.ts'
import { type UploadProgress, uploadWeights, weightTensors } from './weights.ts'

export interface LoadOptions {
  /** A backend's name, a module of one's own, or an open backend, which then stays the caller's. Default `reference`. */
  readonly backend?: string | BackendModule | Backend
  /** The type in which matrices run. Default: the backend's fastest that loses nothing of what the file holds. */
  readonly dtype?: WeightDType
  readonly threads?: number
  readonly signal?: AbortSignal
  readonly onProgress?: (progress: UploadProgress) => void
}

/** What a model is made of, in numbers. */
export interface ModelSummary {
  readonly format: string
  readonly parameters: number
  /** Number of tensors by the type that the file holds, and by the type that runs. */
  readonly stored: Readonly<Partial<Record<StoredDType, number>>>
  readonly running: Readonly<Partial<Record<WeightDType, number>>>
}

export interface Model extends Llama, AsyncDisposable {
  readonly name: string
  /** Throws {@link NotFoundError} where the checkpoint has none; `hasTokenizer` says so beforehand. */
  readonly tokenizer: Tokenizer
  readonly hasTokenizer: boolean
  /** The skip set that came with the weights. */
  readonly skip: SkipSet | undefined
  readonly summary: ModelSummary
  /** An empty text in progress; disposed with the model at the latest. */
  createSequence(): Sequence
  /** Whether a sequence is one that this model made. */
  owns(sequence: Sequence): boolean
  /**
   * Logits of every token, `[ids.length * vocabSize]`, with some sublayers left out. Throws {@link ArgumentError} for
   * an empty list, a token outside the vocabulary, or more tokens than the context.
   */
  logits(ids: readonly number[], options?: { skip?: SkipSet; signal?: AbortSignal }): Promise<Float32Array>
  /** Frees what the model holds, and the backend where `loadModel` opened it. Disposing twice does nothing. */
  dispose(): Promise<void>
}

/**
 * Loads a model: `'stories'` is the embedded one; else a folder in Hugging Face layout, a llama2.c `.bin`, or files
 * of one's own making. Throws {@link NotFoundError}, {@link ModelFormatError}, {@link DTypeError} or {@link OutOfMemoryError}.
 */
export async function loadModel(source: string | ModelFiles, options: LoadOptions = {}): Promise<Model> {
  const checkpoint = await openCheckpoint(source)
  try {
    const { backend: wanted = 'reference', threads } = options
    const given = typeof wanted === 'object' && 'ops' in wanted
    const backend = given ? wanted : await openBackend(wanted, threads === undefined ? {} : { threads })
    try {
      return await build(checkpoint, { ...options, backend, owned: !given })
    } catch (error) {
      if (!given) await backend.dispose()
      throw error
    }
  } finally {
    await checkpoint.close()
  }
}

async function build(
  { name, format, config, tensors, tokenizer, skip }: Checkpoint,
  options: LoadOptions & { backend: Backend; owned: boolean },
): Promise<Model> {
  const { backend, dtype } = options
  if (dtype && !backend.capabilities.dtypes.includes(dtype)) {
    throw new DTypeError(`${backend.name} runs ${backend.capabilities.dtypes.join(', ')}, not ${dtype}`)
  }
  if (skip) checkShippedSkip(skip, { name, config })
  const turn = createTurn(options.signal)
  const weights = await uploadWeights(backend, config, { tensors, dtype, turn, onProgress: options.onProgress })
  const llama = createLlama(backend, config, weights)
  const sequences = new Set<Sequence>()
  const made = new WeakSet<Sequence>()

  const model: Model = {
    ...llama,
    name,
    skip,
    hasTokenizer: tokenizer !== undefined,
    get tokenizer(): Tokenizer {
      if (tokenizer) return tokenizer
      throw new NotFoundError(`${name} came without a tokenizer (tokenizer.json); pass token ids instead of text`)
    },
    summary: {
      format,
      parameters: [...weightTensors(weights)].reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b), 0),
      stored: tally([...tensors.values()].map((tensor) => tensor.dtype)),
      running: tally([...weightTensors(weights)].map((tensor) => tensor.dtype as WeightDType)), // weights are never i32
    },
    createSequence() {
      const sequence = createSequence(backend, config)
      const tracked = {
        ...sequence,
        dispose() {
          sequences.delete(tracked)
          sequence.dispose()
        },
      }
      sequences.add(tracked)
      made.add(tracked)
      return tracked
    },
    owns: (sequence) => made.has(sequence),
    logits: (ids, { skip = noSkip, signal } = {}) => logits(model, ids, { skip, signal }),
    async dispose() {
      for (const sequence of sequences) sequence.dispose()
      if (options.owned) await backend.dispose()
      else llama.free()
    },
    [Symbol.asyncDispose]: () => model.dispose(),
  }
  return model
}

/** Throws {@link ModelFormatError} when the set that came with the weights names layers that they do not have. */
function checkShippedSkip(skip: SkipSet, { name, config }: { name: string; config: LlamaConfig }): void {
  try {
    planSkip(skip, config.numHiddenLayers)
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause
    throw new ModelFormatError(`skip_layers.json of "${name}": ${cause.message}`, { cause })
  }
}

function tally<K extends string>(values: readonly K[]): Partial<Record<K, number>> {
  const counts: Partial<Record<K, number>> = {}
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1
  return counts
}

/** Checks token ids against a model. Throws {@link ArgumentError} naming the first that cannot be used. */
export function checkTokens(ids: readonly number[], { vocabSize, maxPositionEmbeddings }: LlamaConfig): void {
  if (ids.length === 0) throw new ArgumentError('the prompt is empty; give at least one token')
  if (ids.length > maxPositionEmbeddings) {
    throw new ArgumentError(`the prompt has ${ids.length} tokens; the model's context holds ${maxPositionEmbeddings}`)
  }
  for (const [i, id] of ids.entries()) {
    if (!Number.isSafeInteger(id) || id < 0 || id >= vocabSize) {
      throw new ArgumentError(`token ${i} of the prompt is ${id}; the vocabulary has ids 0 to ${vocabSize - 1}`)
    }
  }
}

async function logits(
  model: Model,
  ids: readonly number[],
  { skip, signal }: { skip: SkipSet; signal: AbortSignal | undefined },
): Promise<Float32Array> {
  checkTokens(ids, model.config)
  planSkip(skip, model.config.numHiddenLayers)
  const { vocabSize } = model.config
  const { passRows } = model.backend.capabilities
  const out = allocate(ids.length * vocabSize)
  const turn = createTurn(signal)
  const sequence = model.createSequence()
  try {
    for (let start = 0; start < ids.length; start += passRows) {
      await turn()
      const chunk = Int32Array.from(ids.slice(start, start + passRows))
      const arena = model.backend.arena()
      try {
        const rows = model.rows([{ sequence, count: chunk.length }], arena)
        const hidden = model.run(model.embed(chunk, rows), rows, { skip })
        const [values] = await model.backend.read([model.head(hidden, rows)])
        out.set(values!, start * vocabSize)
        advance(sequence, chunk.length)
      } finally {
        arena.release()
      }
    }
  } finally {
    sequence.dispose()
  }
  return out
}

function allocate(size: number): Float32Array {
  try {
    return new Float32Array(size)
  } catch (cause) {
    throw new OutOfMemoryError(`no memory for ${size} logits (${size * 4} bytes); ask for fewer tokens`, { cause })
  }
}
