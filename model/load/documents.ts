// What says how a model's weights are to be used, in the words of Hugging Face's files whatever the format: read only where a
// model is written anew.

import type { ChatSource } from '../chat.ts'
import type { ModelFiles } from './files.ts'
import type { GgufFile } from './gguf.ts'
import { isObject, type JsonObject, readJson, readText } from './json.ts'
import type { TokenizerFiles } from './sentencepiece.ts'
import { readTokenizerJson, readTokenizerModel } from './tokenizer-files.ts'

export interface ModelDocuments {
  /** The content of config.json. */
  readonly config: JsonObject
  /** That of generation_config.json, if there is one. */
  readonly generationConfig: unknown
  /** That of tokenizer.json and tokenizer_config.json, a chat template included; `undefined` for a model without one. */
  readonly tokenizer: TokenizerFiles | undefined
}

/** The documents in a folder in Hugging Face's layout; newer ones have the chat template in a file of its own. */
export async function folderDocuments(files: ModelFiles, config: JsonObject): Promise<ModelDocuments> {
  const generationConfig = await readJson(files, 'generation_config.json')
  const tokenizer = await withTemplate(files, (await readTokenizerJson(files)) ?? (await readTokenizerModel(files)))
  return { config, generationConfig, tokenizer }
}

/** The documents that a GGUF file stands for. `own`: the tokenizer of its metadata, before which nothing beside it comes. */
export async function ggufDocuments(
  files: ModelFiles,
  {
    config,
    metadata,
    own,
    chat,
  }: {
    config: JsonObject
    metadata: GgufFile['metadata']
    own: TokenizerFiles | undefined
    chat: ChatSource | undefined
  },
): Promise<ModelDocuments> {
  const found = own
    ? { json: own.json, config: { ...namedTokens(own.json, metadata), ...asFields(own.config) } }
    : await readTokenizerJson(files)
  const tokenizer = found && { json: found.json, config: { ...asFields(found.config), ...templatesOf(chat) } }
  return { config: shortNumbers(config), generationConfig: undefined, tokenizer }
}

/** As tokenizer_config.json has chat templates: one, or several by name. */
function templatesOf(chat: ChatSource | undefined): JsonObject {
  if (!chat) return {}
  const named = Object.entries(chat.templates).map(([name, template]) => ({ name, template }))
  const [first] = named
  return { chat_template: named.length === 1 && first?.name === 'default' ? first.template : named }
}

async function withTemplate(files: ModelFiles, found: TokenizerFiles | undefined): Promise<TokenizerFiles | undefined> {
  if (!found) return undefined
  const { json, config } = found
  const template = await readText(files, 'chat_template.jinja')
  return { json, config: template === undefined ? config : { ...asFields(config), chat_template: template } }
}

/** The tokens that GGUF names by id, as tokenizer_config.json names them. */
function namedTokens(json: unknown, metadata: GgufFile['metadata']): JsonObject {
  const { added_tokens: added, model } = asFields(json)
  const content = (Array.isArray(added) ? added : []).filter(isObject)
  const vocab = Object.entries(asFields(asFields(model)['vocab']))
  const token = (key: string): unknown => {
    const id = metadata.get(`tokenizer.ggml.${key}_token_id`)
    return content.find((each) => each['id'] === id)?.['content'] ?? vocab.find(([, each]) => each === id)?.[0]
  }
  const fields = {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: token('bos'),
    eos_token: token('eos'),
    unk_token: token('unknown'),
    pad_token: token('padding'),
  }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => typeof value === 'string'))
}

/** The f32 among the numbers of a config as they were written: 1e-5 instead of 0.000009999999747378752. */
function shortNumbers(config: JsonObject): JsonObject {
  const short = (value: number): number => {
    for (let digits = 1; digits < 9; digits++) {
      const rounded = Number(value.toPrecision(digits))
      if (Math.fround(rounded) === value) return rounded
    }
    return value
  }
  const isFloat = (value: unknown): value is number =>
    typeof value === 'number' && !Number.isInteger(value) && Math.fround(value) === value
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      isFloat(value) ? short(value) : isObject(value) ? shortNumbers(value) : value,
    ]),
  )
}

function asFields(value: unknown): JsonObject {
  return isObject(value) ? value : {}
}
