// Loading: from a name or a folder to a model that runs.

import type { Backend, BackendModule } from '../engine/backend.ts'
import type { WeightDType } from '../engine/dtype.ts'
import { ArgumentError, DTypeError, ModelFormatError, NotFoundError, OutOfMemoryError } from '../engine/errors.ts'
import { defaultBackend, openBackend } from '../engine/open.ts'
import { expectOptions } from '../engine/options.ts'
import { createTurn } from '../engine/turn.ts'
import { advance, createSequence, type Sequence, type SequenceOptions } from './cache.ts'
import { type Chat, createChat } from './chat.ts'
import type { LlamaConfig } from './config.ts'
import type { DraftCosts } from './draft-costs.ts'
import { createDraftHeads, type DraftHead, type DraftHeadLoan } from './draft-head.ts'
import { createLlama, type Llama } from './llama.ts'
import { type Checkpoint, openCheckpoint } from './load/checkpoint.ts'
import type { ModelFiles } from './load/files.ts'
import { noSkip, planSkip, type SkipSet } from './skip.ts'
import { draftCostsOn, type SkipPrior } from './skip-prior.ts'
import type { Tokenizer } from './tokenizer.ts'
import { summarize, type UploadProgress, unaskedDType, uploadWeights, type WeightsSummary } from './weights.ts'

export interface LoadOptions {
  /** A backend's name, a module of one's own, or an open backend, which then stays the caller's. Default `wasm`. */
  readonly backend?: string | BackendModule | Backend | undefined
  /**
   * The type in which matrices run, those whose last axis its blocks do not divide apart. Default: the backend's fastest
   * that loses nothing of what the file holds; of the embedded model, q8_0 where that is faster.
   */
  readonly dtype?: WeightDType | undefined
  readonly threads?: number | undefined
  /** As for `openBackend`. */
  readonly workerUrl?: string | URL | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: UploadProgress) => void) | undefined
}

export interface Model extends Llama, AsyncDisposable {
  readonly name: string
  /** The same for the same weights, wherever they lie: as `modelId` says. */
  readonly id: string | undefined
  /** Throws {@link NotFoundError} where the checkpoint has none, or one of a kind that is not known; `hasTokenizer` says so. */
  readonly tokenizer: Tokenizer
  readonly hasTokenizer: boolean
  /** Conversations as prompts. Throws {@link NotFoundError} for a model that was not taught to chat; `hasChat` says so. */
  readonly chat: Chat
  readonly hasChat: boolean
  /**
   * The skip set that is kept for it in the user's cache folder (`saveSkip`), or that came with the weights. Throws
   * {@link ModelFormatError} naming the file in the cache folder where that is damaged.
   */
  readonly skip: SkipSet | undefined
  /** What is known of drafting with `skip`, on any backend: not of another set. Throws as `skip` does. */
  readonly skipPrior: SkipPrior | undefined
  /**
   * Of that, what holds here: for this backend and the type in which most weights run, with as many threads or else the nearest
   * number. Throws as `skip` does.
   */
  readonly draftCosts: DraftCosts | undefined
  readonly summary: WeightsSummary & { readonly format: string }
  /**
   * A text in progress: empty, or one that begins with rows of a parent, without a copy. Disposed with the model at the latest.
   * Throws {@link ArgumentError} for a parent that is another model's, {@link ShapeError} for more rows than it has, and
   * {@link DisposedError} for one that was disposed.
   */
  createSequence(options?: SequenceOptions): Sequence
  /** Whether a sequence is one that this model made. */
  owns(sequence: Sequence): boolean
  /**
   * A head for drafts that can only be of these ids, which are ascending: `head` takes it. Made at the first call, then kept as
   * long as the model. In f32 and bf16 its logits are the full head's, bit for bit where the backend is row-invariant; in block
   * types where the blocks hold what their quantiser makes. Throws {@link ArgumentError} for ids that are not of the
   * vocabulary, and {@link OutOfMemoryError}.
   */
  draftHead(ids: readonly number[]): Promise<DraftHead>
  /**
   * The same, for a time: it is used until `release` is called. Afterwards it is kept while it is one of the two that were used
   * last. So `generate` has the heads of `draftVocabulary`. Throws as `draftHead` does.
   */
  lendDraftHead(ids: readonly number[]): Promise<DraftHeadLoan>
  /**
   * Logits of every token, `[ids.length * vocabSize]`, with some sublayers left out. Throws {@link ArgumentError} for
   * an empty list, a token outside the vocabulary, or more tokens than the context.
   */
  logits(
    ids: readonly number[],
    options?: { skip?: SkipSet | undefined; signal?: AbortSignal | undefined },
  ): Promise<Float32Array>
  /** Frees what the model holds, and the backend where `loadModel` opened it. Disposing twice does nothing. */
  dispose(): Promise<void>
}

/**
 * Loads a model: `'stories'` is the embedded one; else a folder in Hugging Face layout with safetensors or
 * TensorFlow.js's model.json, a `.gguf`, a llama2.c `.bin`, what `drafthorse pull` brought by its name on the hub
 * (`'owner/name'`, `'owner/name:file.gguf'`; no server is asked), or files of one's own making. Throws
 * {@link NotFoundError}, {@link ModelFormatError}, {@link DTypeError} or {@link OutOfMemoryError}.
 */
export async function loadModel(source: string | URL | ModelFiles, options: LoadOptions = {}): Promise<Model> {
  expectOptions('loadModel', options)
  const checkpoint = await openCheckpoint(source)
  try {
    const { backend: wanted = defaultBackend, threads, workerUrl } = options
    const given = typeof wanted === 'object' && wanted !== null && 'ops' in wanted
    const backend = given ? wanted : await openBackend(wanted, { threads, workerUrl })
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
  checkpoint: Checkpoint,
  options: LoadOptions & { backend: Backend; owned: boolean },
): Promise<Model> {
  const {
    name,
    id,
    format,
    config,
    tensors,
    tokenizer,
    unknownTokenizer,
    chat: chatSource,
    skip,
    skipPrior,
    skipProblem,
  } = checkpoint
  const { backend, dtype = unaskedDType(checkpoint, backend) } = options
  if (dtype && !backend.capabilities.dtypes.includes(dtype)) {
    throw new DTypeError(`${backend.name} runs ${backend.capabilities.dtypes.join(', ')}, not ${dtype}`)
  }
  const weightsInfo = summarize(tensors, config, { backend, dtype })
  const turn = createTurn(options.signal)
  const weights = await uploadWeights(backend, config, { tensors, dtype, turn, onProgress: options.onProgress })
  const { free, ...llama } = createLlama(backend, config, weights)
  const draftHeads = createDraftHeads(backend, weights.head)
  const chat = tokenizer && chatSource && createChat(chatSource, tokenizer)
  const sequences = new Set<Sequence>()
  const made = new WeakSet<Sequence>()
  const { threads } = backend.capabilities
  const runner = { backend: backend.name, dtype: weightsInfo.dtype, threads }

  const model: Model = {
    ...llama,
    name,
    id,
    get skip(): SkipSet | undefined {
      if (skipProblem) throw skipProblem
      return skip
    },
    get skipPrior(): SkipPrior | undefined {
      if (skipProblem) throw skipProblem
      return skipPrior
    },
    get draftCosts(): DraftCosts | undefined {
      return model.skipPrior && draftCostsOn(model.skipPrior, runner)
    },
    hasTokenizer: tokenizer !== undefined,
    get tokenizer(): Tokenizer {
      if (tokenizer) return tokenizer
      throw new NotFoundError(
        unknownTokenizer ?? `${name} came without a tokenizer (tokenizer.json); pass token ids instead of text`,
      )
    },
    hasChat: chat !== undefined,
    get chat(): Chat {
      if (chat) return chat
      if (chatSource && unknownTokenizer !== undefined) throw new NotFoundError(unknownTokenizer)
      throw new NotFoundError(
        `${name} came without ${chatSource ? 'a tokenizer' : 'a chat template'}: it was not taught to chat, but continues texts ` +
          '(generate). If it was, put its chat_template.jinja or tokenizer_config.json beside it',
      )
    },
    summary: { format, ...weightsInfo },
    createSequence(options = {}) {
      expectOptions('createSequence', options)
      if (options.parent && !made.has(options.parent)) {
        throw new ArgumentError(`the parent is not one of ${name}'s sequences; use model.createSequence()`)
      }
      const sequence = createSequence(backend, config, { ...options, onDispose: () => sequences.delete(sequence) })
      sequences.add(sequence)
      made.add(sequence)
      return sequence
    },
    owns: (sequence) => made.has(sequence),
    draftHead: (ids) => draftHeads.of(ids),
    lendDraftHead: (ids) => draftHeads.lend(ids),
    logits: (ids, options = {}) => logits(model, ids, options),
    async dispose() {
      for (const sequence of sequences) sequence.dispose()
      chat?.dispose()
      draftHeads.free()
      if (options.owned) await backend.dispose()
      else free()
    },
    [Symbol.asyncDispose]: () => model.dispose(),
  }
  return model
}

/** A copy of token ids, checked against a model. Throws {@link ArgumentError} naming the first that cannot be used. */
export function checkedTokens(tokens: readonly number[], { vocabSize, maxPositionEmbeddings }: LlamaConfig): number[] {
  if (!Array.isArray(tokens) && !ArrayBuffer.isView(tokens)) {
    throw new ArgumentError(`the prompt is ${String(tokens)}, expected a list of token ids`)
  }
  const ids: number[] = Array.from(tokens)
  if (ids.length === 0) throw new ArgumentError('the prompt is empty; give at least one token')
  if (ids.length > maxPositionEmbeddings) {
    throw new ArgumentError(`the prompt has ${ids.length} tokens; the model's context holds ${maxPositionEmbeddings}`)
  }
  for (const [i, id] of ids.entries()) {
    if (!Number.isSafeInteger(id) || id < 0 || id >= vocabSize) {
      throw new ArgumentError(`token ${i} of the prompt is ${id}; the vocabulary has ids 0 to ${vocabSize - 1}`)
    }
  }
  return ids
}

async function logits(
  model: Model,
  tokens: readonly number[],
  options: { skip?: SkipSet | undefined; signal?: AbortSignal | undefined },
): Promise<Float32Array> {
  expectOptions('logits', options)
  const { skip = noSkip, signal } = options
  const ids = checkedTokens(tokens, model.config)
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
