// Which files of a repository a pull brings: those that loading reads, and no others.

import { ModelFormatError, NotFoundError } from '../../engine/errors.ts'
import { checkFileName } from '../load/files.ts'
import { howToMerge } from '../load/gguf-llama.ts'
import { asObject, quote } from '../load/json.ts'
import { manifestPaths, tfjsManifests } from '../load/tfjs-manifest.ts'
import { formatBytes } from './bytes.ts'
import type { HubName } from './name.ts'

/** Files beside the weights, each brought where it is there. */
const beside = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'added_tokens.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'chat_template.json',
  'skip_layers.json',
]
const single = 'model.safetensors'
const index = 'model.safetensors.index.json'

type Sizes = ReadonlyMap<string, { readonly size: number }>

/**
 * The index of the weights, or TensorFlow.js's manifest, which has to be read before it is known which files hold them, or
 * `undefined`. Of several the one that loading takes.
 */
export function wantedIndex({ file }: HubName, files: Sizes): string | undefined {
  if (file !== undefined) return isIndex(file) && files.has(file) ? file : undefined
  return files.has(single) ? undefined : [index, ...tfjsManifests].find((path) => files.has(path))
}

function isIndex(path: string): boolean {
  return path.endsWith('.safetensors.index.json') || isManifest(path)
}

function isManifest(path: string): boolean {
  return tfjsManifests.includes(path.slice(path.lastIndexOf('/') + 1))
}

/**
 * The paths to bring, small files first. `indexed` is the content of {@link wantedIndex}. Throws {@link NotFoundError} for
 * a file that is not there, {@link ModelFormatError} for a repository without weights that can be loaded, naming its GGUF
 * files with their sizes, for a part of a split GGUF model, and for an index that makes no sense.
 */
export function chooseFiles(name: HubName, files: Sizes, indexed: unknown): string[] {
  const indexPath = wantedIndex(name, files)
  const { file = indexPath ?? single } = name
  if (!files.has(file)) throw name.file === undefined ? noWeights(name, files) : noSuchFile(name, file, files)
  if (isPart(file)) throw new ModelFormatError(`${quote(file)} of ${name.repository} is ${partsOnly}`)
  const folder = file.slice(0, file.lastIndexOf('/') + 1)
  const small = beside.map((path) => folder + path).filter((path) => files.has(path) && path !== file)
  if (indexPath === undefined) return [...small, file]
  const list = isManifest(indexPath) ? manifestPaths : shardsOf
  const shards = list(indexed, `${indexPath} of ${name.repository}`).map((path) => folder + path)
  const missing = shards.find((path) => !files.has(path))
  if (missing !== undefined) {
    throw new ModelFormatError(`${indexPath} names ${quote(missing)}, which ${name.repository} does not have`)
  }
  return [...new Set([...small, file, ...shards])]
}

function shardsOf(json: unknown, where: string): string[] {
  const map = asObject(asObject(json, where)['weight_map'], `weight_map in ${where}`)
  const shards = [...new Set(Object.values(map))]
  return shards.map((path) => {
    if (typeof path !== 'string') throw new ModelFormatError(`${where} names ${quote(path)}; expected a file`)
    checkFileName(path, where)
    return path
  })
}

function noWeights({ repository }: HubName, files: Sizes): ModelFormatError {
  const gguf = weightFiles(files).filter((path) => /\.gguf$/i.test(path))
  if (gguf.length > 0) {
    const list = gguf.map((path) => `  drafthorse pull ${repository}:${path}  (${formatBytes(files.get(path)!.size)})`)
    return new ModelFormatError(`${repository} has GGUF files only; choose one of them:\n${list.join('\n')}`)
  }
  const part = [...files.keys()].find(isPart)
  if (part !== undefined) return new ModelFormatError(`${quote(part)} of ${repository} is ${partsOnly}`)
  return new ModelFormatError(
    `${repository} has neither ${single} nor ${index} nor ${tfjsManifests.join(' nor ')} nor GGUF files, so there is nothing in it that can be loaded`,
  )
}

function noSuchFile({ repository }: HubName, file: string, files: Sizes): NotFoundError {
  const others = weightFiles(files).map(quote).join(', ')
  return new NotFoundError(`${repository} has no file ${quote(file)}${others && `; it has ${others}`}`)
}

/** Whether a file is one of several that hold a GGUF model together, by the name that llama.cpp gives it. */
function isPart(path: string): boolean {
  const [, count] = /-\d{5}-of-(\d{5})\.gguf$/i.exec(path) ?? []
  return Number(count) > 1
}

const partsOnly = `one part of a split model, which is not loaded: download all parts by another way, and ${howToMerge}`

/** Not more than fit on a screen. */
function weightFiles(files: Sizes): string[] {
  return [...files.keys()]
    .filter((path) => /\.(gguf|safetensors)$/i.test(path) && isPlain(path) && !isPart(path))
    .slice(0, 40)
}

/** Without characters that a terminal or a shell would take for something else. */
function isPlain(path: string): boolean {
  return /^[\w./+=@-]+$/.test(path)
}
