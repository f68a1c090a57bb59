// Which files of a repository a pull brings: those that loading reads, and no others.

import { ModelFormatError, NotFoundError } from '../../engine/errors.ts'
import { formatBytes } from './bytes.ts'
import { checkFileName } from './files.ts'
import type { HubName } from './hub-name.ts'
import { asObject, quote } from './json.ts'

/** Files beside the weights, each brought where it is there. */
const beside = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'tokenizer.model',
  'special_tokens_map.json',
  'chat_template.jinja',
  'skip_layers.json',
]
const single = 'model.safetensors'
const index = 'model.safetensors.index.json'

type Sizes = ReadonlyMap<string, { readonly size: number }>

/** The index of the weights, which has to be read before it is known which files hold them, or `undefined`. */
export function wantedIndex({ file }: HubName, files: Sizes): string | undefined {
  if (file !== undefined) return file.endsWith('.safetensors.index.json') && files.has(file) ? file : undefined
  return !files.has(single) && files.has(index) ? index : undefined
}

/**
 * The paths to bring, small files first. `indexed` is the content of {@link wantedIndex}. Throws {@link NotFoundError} for
 * a file that is not there, {@link ModelFormatError} for a repository without weights that can be loaded, naming its GGUF
 * files with their sizes, and for an index that makes no sense.
 */
export function chooseFiles(name: HubName, files: Sizes, indexed: unknown): string[] {
  const indexPath = wantedIndex(name, files)
  const { file = indexPath ?? single } = name
  if (!files.has(file)) throw name.file === undefined ? noWeights(name, files) : noSuchFile(name, file, files)
  const folder = file.slice(0, file.lastIndexOf('/') + 1)
  const small = beside.map((path) => folder + path).filter((path) => files.has(path) && path !== file)
  if (indexPath === undefined) return [...small, file]
  const shards = shardsOf(indexed, `${indexPath} of ${name.repository}`).map((path) => folder + path)
  const missing = shards.find((path) => !files.has(path))
  if (missing !== undefined) {
    throw new ModelFormatError(`${indexPath} names ${quote(missing)}, which ${name.repository} does not have`)
  }
  return [...small, file, ...shards]
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
  return new ModelFormatError(
    `${repository} has neither ${single} nor ${index} nor GGUF files, so there is nothing in it that can be loaded`,
  )
}

function noSuchFile({ repository }: HubName, file: string, files: Sizes): NotFoundError {
  const others = weightFiles(files).map(quote).join(', ')
  return new NotFoundError(`${repository} has no file ${quote(file)}${others && `; it has ${others}`}`)
}

/** Not more than fit on a screen. */
function weightFiles(files: Sizes): string[] {
  return [...files.keys()].filter((path) => /\.(gguf|safetensors)$/i.test(path) && isPlain(path)).slice(0, 40)
}

/** Without characters that a terminal or a shell would take for something else. */
function isPlain(path: string): boolean {
  return /^[\w./+=@-]+$/.test(path)
}
