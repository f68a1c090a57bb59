// Where a model's chat template stands: in files beside the weights, as transformers looks for them, or in a GGUF file.

import { ModelFormatError } from '../../engine/errors.ts'
import type { ChatSource } from '../chat.ts'
import type { ModelFiles } from './files.ts'
import type { GgufArray, GgufFile, GgufScalar } from './gguf.ts'
import { asObject, describe, isObject, type JsonObject, readJson } from './json.ts'

/** Bytes; the longest in use have some 10,000. */
const longestTemplate = 1_000_000

/** Tokens that templates call by these names. */
const tokenNames = ['bos', 'eos', 'unk', 'pad', 'sep', 'cls', 'mask'] as const

/** What GGUF calls them otherwise. */
const ggufNames: Readonly<Record<string, string>> = { unk: 'unknown', pad: 'padding' }

/**
 * The template of a folder: chat_template.jinja, chat_template.json, or `chat_template` in tokenizer_config.json, which may
 * hold several by name. `undefined` if there is none. Throws {@link ModelFormatError}.
 */
export async function readChatSource(files: ModelFiles): Promise<ChatSource | undefined> {
  const json = await readJson(files, 'tokenizer_config.json')
  const config = json === undefined ? {} : asObject(json, `tokenizer_config.json of "${files.name}"`)
  const tokens = tokensOf((name) => textOf(config[`${name}_token`]))
  const alone = await readText(files, 'chat_template.jinja')
  if (alone !== undefined) {
    return { templates: { default: alone }, tokens, where: `chat_template.jinja of "${files.name}"` }
  }
  const path = 'chat_template.json'
  const other = await readJson(files, path)
  const [holder, where]: [JsonObject, string] =
    other === undefined
      ? [config, `"chat_template" in tokenizer_config.json of "${files.name}"`]
      : [asObject(other, `${path} of "${files.name}"`), `${path} of "${files.name}"`]
  const templates = templatesOf(holder['chat_template'], where)
  return templates && { templates, tokens, where }
}

/** The templates of a GGUF file: `tokenizer.chat_template`, and others as `tokenizer.chat_template.NAME`. */
export async function ggufChatSource({ metadata }: GgufFile, name: string): Promise<ChatSource | undefined> {
  const key = 'tokenizer.chat_template'
  const found: Record<string, unknown> = {}
  for (const [entry, value] of metadata) {
    if (entry === key) found['default'] = value
    else if (entry.startsWith(`${key}.`)) found[entry.slice(key.length + 1)] = value
  }
  if (Object.keys(found).length === 0) return undefined
  const where = `"${key}" of ${name}`
  const entries = Object.entries(found).map(([title, value]) => [title, checked(value, where)])
  return { templates: Object.fromEntries(entries), tokens: await ggufTokens(metadata), where }
}

/** The tokens that GGUF names by id, as tokenizer_config.json names them. */
export async function ggufTokens(metadata: GgufFile['metadata']): Promise<ChatSource['tokens']> {
  const list = metadata.get('tokenizer.ggml.tokens')
  const texts: readonly GgufScalar[] = typeof list === 'object' ? await (list as GgufArray).read() : []
  return tokensOf((token) => {
    const id = metadata.get(`tokenizer.ggml.${ggufNames[token] ?? token}_token_id`)
    return typeof id === 'number' ? textOf(texts[id]) : undefined
  })
}

function tokensOf(find: (name: string) => string | undefined): ChatSource['tokens'] {
  const tokens: Record<string, string> = {}
  for (const name of tokenNames) {
    const text = find(name)
    if (text !== undefined) tokens[`${name}_token`] = text
  }
  return tokens
}

/** A token of tokenizer_config.json: a text, or an object with one. */
function textOf(token: unknown): string | undefined {
  const text = isObject(token) ? token['content'] : token
  return typeof text === 'string' ? text : undefined
}

/** One template, or a list of named ones. */
function templatesOf(value: unknown, where: string): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  if (!Array.isArray(value)) return { default: checked(value, where) }
  const entries = value.map((entry) => {
    const { name, template } = asObject(entry, `an entry of ${where}`)
    if (typeof name !== 'string') throw new ModelFormatError(`an entry of ${where} has no name`)
    return [name, checked(template, where)]
  })
  return Object.fromEntries(entries)
}

function checked(template: unknown, where: string): string {
  if (typeof template !== 'string') {
    throw new ModelFormatError(`${where} is ${describe(template)}; expected a template's text`)
  }
  if (template.length > longestTemplate) {
    throw new ModelFormatError(`${where} has ${template.length} characters; at most ${longestTemplate} are read`)
  }
  return template
}

async function readText(files: ModelFiles, path: string): Promise<string | undefined> {
  const source = await files.open(path)
  if (!source) return undefined
  try {
    if (source.size > longestTemplate) {
      throw new ModelFormatError(`${source.name} has ${source.size} bytes; at most ${longestTemplate} are read`)
    }
    return new TextDecoder().decode(await source.read(0, source.size))
  } finally {
    await source.close()
  }
}
