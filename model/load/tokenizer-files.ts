// A tokenizer in files of its own beside the weights: tokenizer.json, or SentencePiece's tokenizer.model made into one.

import { ModelFormatError } from '../../engine/errors.ts'
import type { ModelFiles } from './files.ts'
import { readJson } from './json.ts'
import type { TokenizerFiles } from './sentencepiece.ts'
import { largestTokenizerModel, sentencePieceTokenizer } from './sentencepiece-model.ts'

/** With the name of the file in messages. */
export interface FoundTokenizer extends TokenizerFiles {
  readonly where: string
}

/** Reads tokenizer.json; `undefined` where there is none. Throws {@link ModelFormatError}. */
export async function readTokenizerJson(files: ModelFiles): Promise<FoundTokenizer | undefined> {
  const json = await readJson(files, 'tokenizer.json')
  if (json === undefined) return undefined
  const config = await readJson(files, 'tokenizer_config.json')
  return { json, config, where: `tokenizer.json of "${files.name}"` }
}

/** Reads tokenizer.model; `undefined` where there is none. Throws {@link ModelFormatError}. */
export async function readTokenizerModel(files: ModelFiles): Promise<FoundTokenizer | undefined> {
  const path = 'tokenizer.model'
  const source = await files.open(path)
  if (!source) return undefined
  const where = `${path} of "${files.name}"`
  try {
    if (source.size > largestTokenizerModel) {
      throw new ModelFormatError(`${where} has ${source.size} bytes; at most ${largestTokenizerModel} are read`)
    }
    const bytes = await source.read(0, source.size)
    const config = await readJson(files, 'tokenizer_config.json')
    const added = await readJson(files, 'added_tokens.json')
    return { ...sentencePieceTokenizer(bytes, where, { config, added }), where }
  } finally {
    await source.close()
  }
}
