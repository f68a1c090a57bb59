// A model from any format that is read to any that is written, tensor by tensor: memory is taken for one at a time.

import { openOutput } from '#files'
import type { StoredDType } from '../../engine/dtype.ts'
import { ArgumentError } from '../../engine/errors.ts'
import { expectOptions } from '../../engine/options.ts'
import { createTurn, type Turn } from '../../engine/turn.ts'
import type { ChatSource } from '../chat.ts'
import type { LlamaConfig } from '../config.ts'
import { families } from '../families.ts'
import { type Checkpoint, openCheckpoint, type StoredTensor } from '../load/checkpoint.ts'
import type { ModelDocuments } from '../load/documents.ts'
import type { ModelFiles } from '../load/files.ts'
import { isPaired } from '../load/gguf-llama.ts'
import { isObject, type JsonObject } from '../load/json.ts'
import { toPairs } from '../load/rope-layout.ts'
import { skipFormat } from '../skip-file.ts'
import { checkTensors, tensorShapes } from '../weights.ts'
import { type GgufValue, writeGguf } from './gguf.ts'
import { configTensors, ggufName, llamaMetadata, typeMetadata } from './gguf-llama.ts'
import { noTokenizer, templateMetadata, tokenizerMetadata } from './gguf-tokenizer.ts'
import { safetensorsTypes, writeSafetensors } from './safetensors.ts'
import { type ModelSink, writeWhole } from './sink.ts'
import { type QuantizedType, writeTfjs } from './tfjs-manifest.ts'
import { chooseTypes, type OutgoingTensor, outgoing } from './weights.ts'

export type ModelFormat = 'safetensors' | 'gguf' | 'tfjs'

/** The types that each format can be asked for. */
export const conversionTypes = {
  safetensors: ['f32', 'f16', 'bf16'],
  gguf: ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_1'],
  tfjs: ['f32', 'f16', 'uint16', 'uint8'],
} as const

export type ConversionDType = (typeof conversionTypes)[ModelFormat][number]

export interface ConvertOptions {
  /** Default: `gguf` for an output whose name ends in .gguf, else `safetensors`. */
  readonly format?: ModelFormat | undefined
  /**
   * The type of all matrices, and of all else where the format is not GGUF, which keeps norms and biases in f32. Default:
   * each tensor's own, or one that holds it without loss.
   */
  readonly dtype?: ConversionDType | undefined
  /** Replaces what stands at the output: a GGUF file, or a folder that holds a model and nothing else. */
  readonly force?: boolean | undefined
  /** Bytes of weights in a file at most; default 5 GB for safetensors, 4 MiB for TensorFlow.js. GGUF is one file. */
  readonly shardBytes?: number | undefined
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: ConvertProgress) => void) | undefined
}

/** Told after each tensor: `written` of `total` are. */
export interface ConvertProgress {
  readonly tensor: string
  readonly written: number
  readonly total: number
}

export interface Conversion {
  readonly name: string
  readonly from: Checkpoint['format']
  readonly format: ModelFormat
  /** Number of tensors by the type that they were written as. */
  readonly written: Readonly<Partial<Record<string, number>>>
  readonly hasTokenizer: boolean
}

/**
 * Writes the model `source` anew: to a folder in Hugging Face's layout with safetensors or TensorFlow.js's model.json, or to
 * one GGUF file that llama.cpp loads. What it writes appears whole, or not at all. Throws {@link ArgumentError} for an output
 * that is there already, or that cannot be asked for; {@link DTypeError} for a type that the model cannot have;
 * {@link ModelFormatError} for a source that is damaged, or has what the format cannot express; `NumericError` for a value
 * that the type has no room for; and `AbortError`.
 */
export async function convertModel(
  source: string | URL | ModelFiles,
  output: string | URL | ModelSink,
  options: ConvertOptions = {},
): Promise<Conversion> {
  expectOptions('convertModel', options)
  const isPath = typeof output === 'string' || output instanceof URL
  const { format = isPath && /\.gguf$/i.test(String(output)) ? 'gguf' : 'safetensors', dtype, force = false } = options
  checkAsked(format, dtype)
  const checkpoint = await openCheckpoint(source)
  try {
    checkTensors(checkpoint.tensors, checkpoint.config)
    const kind = format === 'gguf' ? 'file' : 'folder'
    const sink = isPath ? await openOutput(output, { kind, force, source }) : output
    try {
      const turn = createTurn(options.signal)
      const conversion = await write(checkpoint, sink, { ...options, format, turn })
      await turn()
      await sink.finish()
      return conversion
    } catch (error) {
      await sink.discard()
      throw error
    }
  } finally {
    await checkpoint.close()
  }
}

function checkAsked(format: ModelFormat, dtype: ConversionDType | undefined): void {
  if (!Object.hasOwn(conversionTypes, format)) {
    throw new ArgumentError(`cannot write the format "${format}"; known are ${Object.keys(conversionTypes).join(', ')}`)
  }
  const known: readonly string[] = conversionTypes[format]
  if (dtype !== undefined && !known.includes(dtype)) {
    throw new ArgumentError(`${format} is not written as ${dtype}; it is as ${known.join(', ')}`)
  }
}

interface Job extends ConvertOptions {
  readonly format: ModelFormat
  readonly turn: Turn
}

async function write(checkpoint: Checkpoint, sink: ModelSink, job: Job): Promise<Conversion> {
  const documents = await checkpoint.documents()
  const tensors = [...tensorShapes(checkpoint.config).keys()].map((name) => checkpoint.tensors.get(name)!)
  const total = tensors.length + (job.format === 'gguf' ? configTensors(checkpoint.config).length : 0)
  let written = 0
  const onTensor = (tensor: string): void => job.onProgress?.({ tensor, written: ++written, total })
  const parts = { ...job, documents, tensors, onTensor }
  const types = await (job.format === 'gguf'
    ? writeOneFile(checkpoint, sink, parts)
    : writeFolder(checkpoint, sink, parts))
  const counts: Partial<Record<string, number>> = {}
  for (const type of types) counts[type] = (counts[type] ?? 0) + 1
  const { format: from, unknownTokenizer } = checkpoint
  // From GGUF to GGUF a tokenizer stays, whatever its kind.
  const hasTokenizer = documents.tokenizer !== undefined || (unknownTokenizer !== undefined && job.format === 'gguf')
  return { name: sink.name, from, format: job.format, written: counts, hasTokenizer }
}

interface Parts extends Job {
  readonly documents: ModelDocuments
  readonly tensors: readonly StoredTensor[]
  readonly onTensor: (name: string) => void
}

/** Returns the type of each tensor. */
async function writeOneFile(checkpoint: Checkpoint, sink: ModelSink, parts: Parts): Promise<readonly string[]> {
  const { dtype, tensors, documents, turn, onTensor } = parts
  const { config, gguf } = checkpoint
  const types = ggufTypes(tensors, isWhole(dtype) ? undefined : dtype)
  const weights = [...types].map(([tensor, type]) => ggufTensor(tensor, { dtype: type, turn, config }))
  const matrices = dtype === undefined && gguf ? undefined : types.get(tensors[0]!)!
  const metadata = await ggufMetadata(checkpoint, documents, { name: sink.name, matrices })
  const file = await sink.create(`${sink.name}.gguf`)
  await writeGguf(file, { metadata, tensors: [...weights, ...configTensors(config)], onTensor })
  return [...types.values()]
}

/** Returns the type of each tensor. */
async function writeFolder(checkpoint: Checkpoint, sink: ModelSink, parts: Parts): Promise<readonly string[]> {
  const { format, dtype, tensors, documents, turn } = parts
  const allowed: readonly StoredDType[] = format === 'tfjs' ? ['f32', 'f16'] : safetensorsTypes
  const types = chooseTypes(tensors, { asked: isWhole(dtype) ? 'f32' : dtype, allowed })
  const weights = [...types].map(([tensor, type]) => outgoing(tensor, { dtype: type, turn }))
  const quantized = isWhole(dtype) ? dtype : undefined
  if (format === 'tfjs') await writeTfjs(sink, weights, { ...parts, quantized, generatedBy: 'drafthorse' })
  else await writeSafetensors(sink, weights, parts)
  await writeDocuments(sink, checkpoint, { documents, dtype: types.get(tensors[0]!)! })
  return quantized ? tensors.map(() => quantized) : [...types.values()]
}

function isWhole(dtype: ConversionDType | undefined): dtype is QuantizedType {
  return dtype === 'uint8' || dtype === 'uint16'
}

/** Norms and biases are f32 in GGUF, as llama.cpp has them. */
function ggufTypes(
  tensors: readonly StoredTensor[],
  asked: StoredDType | undefined,
): ReadonlyMap<StoredTensor, StoredDType> {
  const matrices = tensors.filter(({ shape }) => shape.length > 1)
  const types = chooseTypes(matrices, { asked, allowed: matrices.map(({ dtype }) => dtype) })
  return new Map(tensors.map((tensor) => [tensor, types.get(tensor) ?? 'f32']))
}

function ggufTensor(
  tensor: StoredTensor,
  { dtype, turn, config }: { dtype: StoredDType; turn: Turn; config: LlamaConfig },
): OutgoingTensor {
  const heads = { rows: tensor.shape[0]!, headDim: config.headDim }
  const arrange = isPaired(tensor.name, config) ? (bytes: Uint8Array) => toPairs(bytes, heads) : undefined
  return outgoing(tensor, { dtype, turn, name: ggufName(tensor.name), arrange })
}

const writtenAnew = /^(general\.alignment$|split\.|tokenizer\.chat_template(\.|$))/

/** What a GGUF file says of itself stays; `matrices`: the type of most weights, where that has changed. */
async function ggufMetadata(
  { gguf, config, chat }: Checkpoint,
  { tokenizer }: ModelDocuments,
  { name, matrices }: { name: string; matrices: StoredDType | undefined },
): Promise<ReadonlyMap<string, GgufValue>> {
  const metadata = new Map<string, GgufValue>()
  for (const key of gguf?.metadata.keys() ?? []) {
    if (!writtenAnew.test(key)) metadata.set(key, await gguf!.rawValue(key))
  }
  const add = (more: ReadonlyMap<string, GgufValue>): void => {
    for (const [key, value] of more) metadata.set(key, value)
  }
  if (!gguf) add(llamaMetadata(config, name))
  if (matrices) add(typeMetadata(matrices))
  if (!metadata.has('tokenizer.ggml.tokens')) {
    const where = `the tokenizer of "${name}"`
    add(tokenizer ? tokenizerMetadata(tokenizer, { config, where }) : noTokenizer(config))
  }
  if (chat) add(templateMetadata(chat))
  return metadata
}

const typeNames: Readonly<Partial<Record<StoredDType, string>>> = { f32: 'float32', f16: 'float16', bf16: 'bfloat16' }

/** What stands beside the weights in Hugging Face's layout. */
async function writeDocuments(
  sink: ModelSink,
  { skip, skipPrior, chat, config: { modelType } }: Checkpoint,
  { documents, dtype }: { documents: ModelDocuments; dtype: StoredDType },
): Promise<void> {
  const { config, generationConfig, tokenizer } = documents
  const { dtype: _, torch_dtype: __, ...rest } = config
  const made: JsonObject = { architectures: [families[modelType].architecture], hidden_act: 'silu' }
  const contents: Record<string, unknown> = {
    'config.json': { ...made, ...rest, torch_dtype: typeNames[dtype] },
    'generation_config.json': generationConfig,
    'tokenizer.json': tokenizer?.json,
    'tokenizer_config.json': tokenizer && withTemplates(tokenizer.config, chat),
    'skip_layers.json': skip && { format: skipFormat, [sink.name]: { ...skip, ...skipPrior } },
  }
  for (const [path, content] of Object.entries(contents)) {
    if (content !== undefined) await writeWhole(sink, path, `${JSON.stringify(content, null, 2)}\n`)
  }
}

/** The content of tokenizer_config.json with the chat templates in it, wherever they stood. */
function withTemplates(config: unknown, chat: ChatSource | undefined): unknown {
  if (!chat) return config
  const named = Object.entries(chat.templates).map(([name, template]) => ({ name, template }))
  const [first] = named
  const one = named.length === 1 && first?.name === 'default'
  return { ...(isObject(config) ? config : {}), chat_template: one ? first.template : named }
}
