// Opens a model, whatever its format: the same config, named tensors, tokenizer and skip set come out.

import { openEmbedded, openFiles } from '#files'
import type { StoredDType } from '../../engine/dtype.ts'
import { ArgumentError, ModelFormatError, NotFoundError } from '../../engine/errors.ts'
import { type LlamaConfig, parseConfig } from '../config.ts'
import { planSkip, type SkipSet } from '../skip.ts'
import { findSkipSet } from '../skip-file.ts'
import { createTokenizer, type Tokenizer } from '../tokenizer.ts'
import { embeddedName } from './embedded.ts'
import type { ModelFiles } from './files.ts'
import { openGguf } from './gguf-llama.ts'
import { describe, quote, readJson } from './json.ts'
import { openLlama2c, readLlama2cTokenizer } from './llama2c.ts'
import {
  type OpenSafetensors,
  openSafetensors,
  openShardedSafetensors,
  type SafetensorsTensor,
  weightType,
} from './safetensors.ts'

/** A weight in a file, under its Hugging Face name, not read yet. */
export interface StoredTensor {
  readonly name: string
  readonly shape: readonly number[]
  /** Throws `DTypeError` for a type that weights do not have, as `read` does. */
  readonly dtype: StoredDType
  /** Reads its bytes: row-major, little-endian, as many as type and shape say. Not to be written to. */
  read(): Promise<Uint8Array>
}

/** An open model. Its files stay open until `close`. */
export interface Checkpoint {
  readonly name: string
  readonly format: 'safetensors' | 'gguf' | 'llama2c'
  readonly config: LlamaConfig
  readonly tensors: ReadonlyMap<string, StoredTensor>
  /** `undefined` for a model without one. */
  readonly tokenizer: Tokenizer | undefined
  /** The set in skip_layers.json beside the weights, if there is one for this model. */
  readonly skip: SkipSet | undefined
  /** Closing twice does nothing. */
  close(): Promise<void>
}

/**
 * Opens a model: `'stories'` for the embedded one, the path of a folder in Hugging Face layout (config.json, safetensors,
 * tokenizer.json), of a `.safetensors` file in such a folder, of a `.gguf` file (a tokenizer.json beside it counts), of a
 * llama2.c `.bin` file, or files by another way. Reads
 * headers and the tokenizer, and no weights. Throws {@link NotFoundError} for what is missing, and
 * {@link ModelFormatError} for what is damaged or of another kind.
 */
export async function openCheckpoint(source: string | URL | ModelFiles): Promise<Checkpoint> {
  if (source === embeddedName) return open(await openEmbedded())
  if (typeof source === 'string' || source instanceof URL) return open(await openFiles(source))
  if (typeof source?.open === 'function') return open(source)
  throw new ArgumentError(`expected a model's name, path or files, but got ${describe(source)}`)
}

async function open(files: ModelFiles): Promise<Checkpoint> {
  const { file } = files
  if (file === undefined || /\.safetensors(\.index\.json)?$/i.test(file)) return openFolder(files)
  if (/\.gguf$/i.test(file)) return openGgufModel(files, file)
  if (/\.bin$/i.test(file)) return openLlama2cModel(files, file)
  throw new ModelFormatError(
    `cannot read ${quote(file)}: a model is a folder with config.json and safetensors, a .gguf file, or a llama2.c .bin file`,
  )
}

async function openFolder(files: ModelFiles): Promise<Checkpoint> {
  const json = await readJson(files, 'config.json')
  if (json === undefined) {
    const hint = files.file === undefined ? '; of a llama2.c model, give the path of its .bin file' : ''
    throw new NotFoundError(`model "${files.name}" has no file "config.json"${hint}`)
  }
  const generation = await readJson(files, 'generation_config.json')
  const config = parseConfig(json, `config.json of "${files.name}"`, {
    ...(generation === undefined
      ? {}
      : { generationConfig: { json: generation, where: `generation_config.json of "${files.name}"` } }),
  })
  const tokenizer = await readTokenizer(files, config.vocabSize)
  const skip = await readSkip(files, config)
  const weights = await openWeights(files)
  const tensors = new Map<string, StoredTensor>()
  for (const tensor of weights.tensors.values()) tensors.set(tensor.name, asWeight(tensor))
  return { name: files.name, format: 'safetensors', config, tensors, tokenizer, skip, close: weights.close }
}

function asWeight(tensor: SafetensorsTensor): StoredTensor {
  const { name, shape } = tensor
  return {
    name,
    shape,
    get dtype() {
      return weightType(tensor)
    },
    async read() {
      weightType(tensor)
      return tensor.read()
    },
  }
}

async function openWeights(files: ModelFiles): Promise<OpenSafetensors> {
  const [single, index] = ['model.safetensors', 'model.safetensors.index.json']
  const { file } = files
  if (file !== undefined)
    return file.endsWith('.json') ? openShardedSafetensors(files, file) : openSafetensors(files, file)
  if (await has(files, single)) return openSafetensors(files, single)
  if (await has(files, index)) return openShardedSafetensors(files, index)
  for (const other of ['pytorch_model.bin', 'pytorch_model.bin.index.json']) {
    if (!(await has(files, other))) continue
    throw new ModelFormatError(
      `model "${files.name}" has its weights in ${other}, which is not read: convert it to safetensors (save_pretrained of transformers does)`,
    )
  }
  throw new NotFoundError(`model "${files.name}" has neither "${single}" nor "${index}"`)
}

async function openGgufModel(files: ModelFiles, file: string): Promise<Checkpoint> {
  const { config, tensors, source } = await openGguf(files, file)
  try {
    const tokenizer = await readTokenizer(files, config.vocabSize)
    const skip = await readSkip(files, config)
    return { name: files.name, format: 'gguf', config, tensors, tokenizer, skip, close: () => source.close() }
  } catch (error) {
    await source.close()
    throw error
  }
}

async function openLlama2cModel(files: ModelFiles, file: string): Promise<Checkpoint> {
  const { config, tensors: stored, source } = await openLlama2c(files, file)
  try {
    const { vocabSize } = config
    const content = await readLlama2cTokenizer(files, vocabSize)
    const tokenizer =
      content && createTokenizer(content.json, { where: `the tokenizer of "${files.name}"`, config: content.config })
    const skip = await readSkip(files, config)
    const tensors = new Map<string, StoredTensor>()
    for (const [name, tensor] of stored) tensors.set(name, { ...tensor, dtype: 'f32' })
    const close = () => source.close()
    return { name: files.name, format: 'llama2c', config, tensors, tokenizer, skip, close }
  } catch (error) {
    await source.close()
    throw error
  }
}

async function readTokenizer(files: ModelFiles, modelVocabSize: number): Promise<Tokenizer | undefined> {
  const json = await readJson(files, 'tokenizer.json')
  if (json === undefined) return undefined
  const config = await readJson(files, 'tokenizer_config.json')
  return createTokenizer(json, { where: `tokenizer.json of "${files.name}"`, config, modelVocabSize })
}

async function readSkip(files: ModelFiles, { numHiddenLayers }: LlamaConfig): Promise<SkipSet | undefined> {
  const path = 'skip_layers.json'
  const json = await readJson(files, path)
  if (json === undefined) return undefined
  const where = `${path} of "${files.name}"`
  const skip = findSkipSet(json, { where, modelName: files.name })
  try {
    if (skip) planSkip(skip, numHiddenLayers)
  } catch (cause) {
    if (!(cause instanceof ArgumentError)) throw cause
    throw new ModelFormatError(`${where}: ${cause.message}`, { cause })
  }
  return skip
}

async function has(files: ModelFiles, path: string): Promise<boolean> {
  const source = await files.open(path)
  await source?.close()
  return source !== undefined
}
