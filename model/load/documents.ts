// What says how a model's weights are to be used, in the words of Hugging Face's files whatever the format: read only where a
// model is written anew.

import { ggufTokens } from './chat-template.ts'
import type { ModelFiles } from './files.ts'
import type { GgufFile } from './gguf.ts'
import { isObject, type JsonObject, readJson } from './json.ts'
import type { TokenizerFiles } from './sentencepiece.ts'
import { readTokenizerJson, readTokenizerModel } from './tokenizer-files.ts'

export interface ModelDocuments {
  /** The content of config.json. */
  readonly config: JsonObject
  /** That of generation_config.json, if there is one. */
  readonly generationConfig: unknown
  /** That of tokenizer.json and tokenizer_config.json, if there is one. Chat templates are `chat` of the checkpoint. */
  readonly tokenizer: TokenizerFiles | undefined
}

/** The documents in a folder in Hugging Face's layout. */
export async function folderDocuments(files: ModelFiles, config: JsonObject): Promise<ModelDocuments> {
  const generationConfig = await readJson(files, 'generation_config.json')
  const tokenizer = (await readTokenizerJson(files)) ?? (await readTokenizerModel(files))
  return { config, generationConfig, tokenizer }
}

/** The documents that a GGUF file stands for. `own`: the tokenizer of its metadata, before which nothing beside it comes. */
export async function ggufDocuments(
  files: ModelFiles,
  { config, metadata, own }: { config: JsonObject; metadata: GgufFile['metadata']; own: TokenizerFiles | undefined },
): Promise<ModelDocuments> {
  const made = { tokenizer_class: 'PreTrainedTokenizerFast' }
  const tokenizer = own
    ? { json: own.json, config: { ...made, ...(await ggufTokens(metadata)), ...asFields(own.config) } }
    : await readTokenizerJson(files)
  return { config: shortNumbers(config), generationConfig: undefined, tokenizer }
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
