// Opens a model, whatever its format: the same config, named tensors, tokenizer and skip set come out.

import { openEmbedded, openFiles } from '#files'
import type { StoredDType, WeightDType } from '../../engine/dtype.ts'
import { ArgumentError, ModelFormatError, NotFoundError } from '../../engine/errors.ts'
import type { ChatSource } from '../chat.ts'
import { type LlamaConfig, parseConfig } from '../config.ts'
import { modelId } from '../model-id.ts'
import type { SkipSet } from '../skip.ts'
import { cachedSkip } from '../skip-cache.ts'
import { expectLayers, findSkipEntry, type SkipEntry } from '../skip-file.ts'
import type { SkipPrior } from '../skip-prior.ts'
import { createTokenizer, type Tokenizer } from '../tokenizer.ts'
import { ggufChatSource, readChatSource } from './chat-template.ts'
import { folderDocuments, ggufDocuments, type ModelDocuments } from './documents.ts'
import { embeddedName, embeddedTypes } from './embedded.ts'
import { hasNone, type ModelFiles } from './files.ts'
import type { GgufFile, ParsedGguf } from './gguf.ts'
import { openGguf } from './gguf-llama.ts'
import { ggufTokenizer, unknownTokenizer } from './gguf-tokenizer.ts'
import { asObject, describe, quote, readJson } from './json.ts'
import { openLlama2c, readLlama2cTokenizer } from './llama2c.ts'
import {
  type OpenSafetensors,
  openSafetensors,
  openShardedSafetensors,
  type SafetensorsTensor,
  weightType,
} from './safetensors.ts'
import { openTfjsManifest, tfjsManifests } from './tfjs-manifest.ts'
import { type FoundTokenizer, readTokenizerJson, readTokenizerModel } from './tokenizer-files.ts'

/** A weight in a file, under its Hugging Face name, not read yet. */
export interface StoredTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** The type that `read` gives. Throws `DTypeError` for a type that weights do not have, as `read` does. */
  readonly dtype: StoredDType
  /** What the file holds, in the words of its format, where `read` decodes it: `uint8` of TensorFlow.js, say. */
  readonly storedAs?: string
  /** Reads its bytes: row-major, little-endian, as many as type and shape say. Not to be written to. */
  read(): Promise<Uint8Array>
  /** Reads the first `startBytes` of what the file holds of it, or all where that is less: for the model's id. */
  start(): Promise<Uint8Array>
}

/** An open model. Its files stay open until `close`. */
export interface Checkpoint {
  readonly name: string
  /** As `modelId` says. */
  readonly id: string | undefined
  readonly format: 'safetensors' | 'tfjs' | 'gguf' | 'llama2c'
  readonly config: LlamaConfig
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** `undefined` for a model without one. */
  readonly tokenizer: Tokenizer | undefined
  /** Why a model that came with a tokenizer has none here: it is of a kind that is not known. Says what to do. */
  readonly unknownTokenizer?: string | undefined
  /** `undefined` for a model that was not taught to chat. */
  readonly chat: ChatSource | undefined
  /** The set that is kept for this model in the user's cache folder, or the one in skip_layers.json beside the weights. */
  readonly skip: SkipSet | undefined
  /** What is known of drafting with that set. */
  readonly skipPrior?: SkipPrior | undefined
  /** Why the one in the cache folder cannot be read, so that `skip` is what stands beside the weights. */
  readonly skipProblem?: ModelFormatError
  /** The types in which it runs unasked, where more is known of it than what its file loses nothing in. */
  readonly runsAs?: readonly WeightDType[]
  /** The head of a GGUF file. */
  readonly gguf?: ParsedGguf
  /** Reads what stands beside the weights. Throws {@link ModelFormatError}. */
  documents(): Promise<ModelDocuments>
  /** Closing twice does nothing. */
  close(): Promise<void>
}

/**
 * Opens a model: `'stories'` for the embedded one, the path of a folder in Hugging Face layout (config.json, safetensors
 * or TensorFlow.js's model.json, tokenizer.json or tokenizer.model), of a `.safetensors` or model.json file in such a
 * folder, of a GGUF file, however it is named (its own tokenizer and chat template come before what stands beside it), of a llama2.c `.bin` file, the hub name of
 * what is in the Hugging Face cache (`owner/name`, `owner/name:file.gguf`), or files by another way. Reads headers, the
 * tokenizer, and of each weight no more than the model's id needs. Throws {@link NotFoundError} for what is missing,
 * {@link ModelFormatError} for what is damaged or of another kind, and {@link BackendUnavailableError} where TensorFlow.js
 * would be needed to decode weights and is not installed.
 */
export async function openCheckpoint(source: string | URL | ModelFiles): Promise<Checkpoint> {
  if (source === embeddedName) return { ...(await open(await openEmbedded())), runsAs: embeddedTypes }
  if (typeof source === 'string' || source instanceof URL) return open(await openFiles(source))
  if (typeof source?.open === 'function') return open(source)
  throw new ArgumentError(`expected a model's name, path or files, but got ${describe(source)}`)
}

async function open(files: ModelFiles): Promise<Checkpoint> {
  const found = await openAny(files)
  try {
    const id = files.isDistant ? undefined : await modelId(found.config, found.tensors)
    const kept = await cachedSkip({ ...found, id }).catch(asProblem)
    if (kept instanceof ModelFormatError) return { ...found, id, skipProblem: kept }
    return kept ? { ...found, id, ...asSkip(kept) } : { ...found, id }
  } catch (error) {
    await found.close()
    throw error
  }
}

function asSkip(entry: SkipEntry | undefined): Pick<Checkpoint, 'skip' | 'skipPrior'> {
  return { skip: entry?.skip, skipPrior: entry?.prior }
}

function asProblem(error: unknown): ModelFormatError {
  if (error instanceof ModelFormatError) return error
  throw error
}

/** What stands in the files. */
type Found = Omit<Checkpoint, 'id' | 'skipProblem'>

async function openAny(files: ModelFiles): Promise<Found> {
  const { file } = files
  const ofFolder = file === undefined || /\.safetensors(\.index\.json)?$/i.test(file) || tfjsManifests.includes(file)
  if (ofFolder) return openFolder(files)
  if (/\.gguf$/i.test(file)) return openGgufModel(files, file)
  // Others may be named anyhow: Ollama calls a GGUF file sha256-...
  if (await beginsAsGguf(files, file)) return openGgufModel(files, file)
  if (/\.bin$/i.test(file)) return openLlama2cModel(files, file)
  throw new ModelFormatError(
    `cannot read ${quote(file)}: a model is a folder with config.json and safetensors or TensorFlow.js's model.json, a .gguf file, or a llama2.c .bin file`,
  )
}

async function beginsAsGguf(files: ModelFiles, path: string): Promise<boolean> {
  const source = await files.open(path)
  if (!source) return false
  try {
    return new TextDecoder().decode(await source.read(0, Math.min(4, source.size))) === 'GGUF'
  } finally {
    await source.close()
  }
}

async function openFolder(files: ModelFiles): Promise<Found> {
  const json = await readJson(files, 'config.json')
  if (json === undefined) {
    const hint = files.file === undefined ? '; of a llama2.c model, give the path of its .bin file' : ''
    throw new NotFoundError(`${hasNone(files, 'config.json')}${hint}`)
  }
  const generation = await readJson(files, 'generation_config.json')
  const config = parseConfig(json, `config.json of "${files.name}"`, {
    ...(generation === undefined
      ? {}
      : { generationConfig: { json: generation, where: `generation_config.json of "${files.name}"` } }),
  })
  const found = (await readTokenizerJson(files)) ?? (await readTokenizerModel(files))
  const tokenizer = found && makeTokenizer(found, config)
  const chat = await readChatSource(files)
  const skip = await readSkip(files, config)
  const weights = await openWeights(files)
  const documents = () => folderDocuments(files, asObject(json, 'config.json'))
  return { name: files.name, config, tokenizer, chat, ...skip, documents, ...weights }
}

type OpenWeights = Pick<Checkpoint, 'format' | 'tensors' | 'close'>

async function openSafetensorsWeights(opening: Promise<OpenSafetensors>): Promise<OpenWeights> {
  const { tensors: stored, close } = await opening
  const tensors = new Map<string, StoredTensor>()
  for (const tensor of stored.values()) tensors.set(tensor.name, asWeight(tensor))
  return { format: 'safetensors', tensors, close }
}

async function openTfjsWeights(files: ModelFiles, path: string): Promise<OpenWeights> {
  const { tensors: stored, close } = await openTfjsManifest(files, path)
  const tensors = new Map<string, StoredTensor>()
  for (const [name, tensor] of stored) tensors.set(name, { ...tensor, dtype: 'f32' })
  return { format: 'tfjs', tensors, close }
}

function asWeight(tensor: SafetensorsTensor): StoredTensor {
  const { name, shape, start } = tensor
  return {
    name,
    shape,
    start,
    get dtype() {
      return weightType(tensor)
    },
    async read() {
      weightType(tensor)
      return tensor.read()
    },
  }
}

async function openWeights(files: ModelFiles): Promise<OpenWeights> {
  const [single, index] = ['model.safetensors', 'model.safetensors.index.json']
  const { file } = files
  const found = file ?? (await firstOf(files, [single, index, ...tfjsManifests]))
  if (found !== undefined && tfjsManifests.includes(found)) return openTfjsWeights(files, found)
  if (found?.endsWith('.json')) return openSafetensorsWeights(openShardedSafetensors(files, found))
  if (found !== undefined) return openSafetensorsWeights(openSafetensors(files, found))
  const other = await firstOf(files, ['pytorch_model.bin', 'pytorch_model.bin.index.json'])
  if (other !== undefined) {
    throw new ModelFormatError(
      `model "${files.name}" has its weights in ${other}, which is not read: convert it to safetensors (save_pretrained of transformers does)`,
    )
  }
  throw new NotFoundError(
    `model "${files.name}" has neither "${single}" nor "${index}" nor TensorFlow.js's "model.json"`,
  )
}

async function openGgufModel(files: ModelFiles, file: string): Promise<Found> {
  const { config, configJson, tensors, file: gguf, source } = await openGguf(files, file)
  try {
    // What stands beside it may be another model's: several are kept in one folder.
    const found = (await ownTokenizer(gguf, source.name)) ?? (await readTokenizerJson(files))
    const tokenizer = found && makeTokenizer(found, config)
    const unknown = tokenizer ? undefined : unknownTokenizer(gguf, source.name)
    const chat = (await ggufChatSource(gguf, source.name)) ?? (await readChatSource(files))
    const skip = await readSkip(files, config)
    const documents = async () => {
      const own = await ggufTokenizer(gguf, source.name)
      return ggufDocuments(files, { config: configJson, metadata: gguf.metadata, own })
    }
    const close = () => source.close()
    const texts = { tokenizer, unknownTokenizer: unknown, chat }
    return { name: files.name, format: 'gguf', config, tensors, ...texts, ...skip, gguf, documents, close }
  } catch (error) {
    await source.close()
    throw error
  }
}

function makeTokenizer({ json, ...options }: FoundTokenizer, { vocabSize: modelVocabSize }: LlamaConfig): Tokenizer {
  return createTokenizer(json, { ...options, modelVocabSize })
}

async function ownTokenizer(gguf: GgufFile, name: string): Promise<FoundTokenizer | undefined> {
  const content = await ggufTokenizer(gguf, name)
  return content && { ...content, where: `the tokenizer of ${name}` }
}

async function openLlama2cModel(files: ModelFiles, file: string): Promise<Found> {
  const { config, configJson, tensors: stored, source } = await openLlama2c(files, file)
  try {
    const { vocabSize } = config
    const content = await readLlama2cTokenizer(files, vocabSize)
    const tokenizer =
      content && createTokenizer(content.json, { where: `the tokenizer of "${files.name}"`, config: content.config })
    const chat = await readChatSource(files)
    const skip = await readSkip(files, config)
    const tensors = new Map<string, StoredTensor>()
    for (const [name, tensor] of stored) tensors.set(name, { ...tensor, dtype: 'f32' })
    const documents = async () => ({ config: configJson, generationConfig: undefined, tokenizer: content })
    const close = () => source.close()
    return { name: files.name, format: 'llama2c', config, tensors, tokenizer, chat, ...skip, documents, close }
  } catch (error) {
    await source.close()
    throw error
  }
}

async function readSkip(
  files: ModelFiles,
  { numHiddenLayers }: LlamaConfig,
): Promise<Pick<Checkpoint, 'skip' | 'skipPrior'>> {
  const path = 'skip_layers.json'
  const json = await readJson(files, path)
  if (json === undefined) return asSkip(undefined)
  const where = `${path} of "${files.name}"`
  const entry = findSkipEntry(json, { where, modelName: files.name })
  return asSkip(entry && expectLayers(entry, { where, layers: numHiddenLayers }))
}

async function firstOf(files: ModelFiles, paths: readonly string[]): Promise<string | undefined> {
  for (const path of paths) {
    const source = await files.open(path)
    await source?.close()
    if (source) return path
  }
  return undefined
}
