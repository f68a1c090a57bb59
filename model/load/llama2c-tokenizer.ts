// llama2.c's tokenizer file as a tokenizer.json: the tokens and scores of a SentencePiece vocabulary become a BPE model
// with byte fallback.
//
// The file writes spaces as spaces where SentencePiece has U+2581, so none is replaced here, and a text that contains
// U+2581 is encoded as llama2.c does it: by bytes. There are no added tokens: "<s>" typed in a prompt is text.

import { ModelFormatError } from '../../engine/errors.ts'
import type { ByteSource } from './files.ts'
import { quote } from './json.ts'
import { bpeModel, byteToken, mergesOf, type ScoredToken, type TokenizerFiles } from './sentencepiece.ts'

/** Bytes; SentencePiece's own limit is 16 characters, Llama 2's longest token has 27 bytes. */
const longestToken = 256
/** llama2.c merges to tokens with a score above this. */
const lowestScore = -1e10

/**
 * Reads `[int32 longest token, then for each token: f32 score, int32 length, bytes]`. Throws {@link ModelFormatError}
 * unless the file holds exactly `vocabSize` tokens, the first 259 being unknown, begin, end and the 256 bytes.
 */
export async function llama2cTokenizerJson(source: ByteSource, vocabSize: number): Promise<TokenizerFiles> {
  const { name, size } = source
  if (size > 4 + vocabSize * (8 + longestToken)) {
    throw new ModelFormatError(`${name} has ${size} bytes, too many for the ${vocabSize} tokens of the model beside it`)
  }
  const tokens = parseTokens(await source.read(0, size), { name, vocabSize })
  const vocab = new Map(tokens.map(({ text }, id) => [text, id]))
  if (vocab.size !== tokens.length)
    throw new ModelFormatError(`${name} holds ${tokens.length - vocab.size} tokens twice`)
  for (let byte = 0; byte < 256; byte++) {
    const expected = byteToken(byte)
    const text = tokens[3 + byte]?.text
    if (text !== expected) {
      throw new ModelFormatError(
        `token ${3 + byte} of ${name} is ${quote(text)}; expected ${expected}, since llama2.c falls back to bytes`,
      )
    }
  }

  const [unknown, begin, end] = tokens.slice(0, 3).map(({ text }) => text)
  const beginOnly = [{ SpecialToken: { id: begin, type_id: 0 } }]
  const text = (id: string) => ({ Sequence: { id, type_id: 0 } })
  const json = {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [],
    normalizer: { type: 'Prepend', prepend: ' ' },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [...beginOnly, text('A')],
      pair: [...beginOnly, text('A'), ...beginOnly, text('B')],
      special_tokens: { [`${begin}`]: { id: begin, ids: [1], tokens: [begin] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }, { type: 'Strip', content: ' ', start: 1, stop: 0 }],
    },
    model: bpeModel({
      vocab,
      merges: mergesOf(
        tokens.filter(({ score }) => score > lowestScore),
        vocab,
      ),
      byte_fallback: true,
    }),
  }
  return { json, config: { additional_special_tokens: [unknown, begin, end], clean_up_tokenization_spaces: false } }
}

function parseTokens(bytes: Uint8Array, { name, vocabSize }: { name: string; vocabSize: number }): ScoredToken[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  const tokens: ScoredToken[] = []
  let at = 4
  while (tokens.length < vocabSize) {
    const id = tokens.length
    if (at + 8 > bytes.length)
      throw new ModelFormatError(`${name} ends within token ${id}; the model has ${vocabSize} tokens`)
    const score = view.getFloat32(at, true)
    const length = view.getInt32(at + 4, true)
    at += 8
    if (length < 1 || length > longestToken || at + length > bytes.length) {
      const left = Math.min(longestToken, bytes.length - at)
      throw new ModelFormatError(`token ${id} of ${name} claims ${length} bytes; expected 1 to ${left}`)
    }
    const raw = bytes.subarray(at, at + length)
    at += length
    try {
      tokens.push({ text: decoder.decode(raw), score })
    } catch (cause) {
      throw new ModelFormatError(`token ${id} of ${name} is not UTF-8`, { cause })
    }
  }
  if (at !== bytes.length) {
    throw new ModelFormatError(
      `${name} holds more than the ${vocabSize} tokens of the model beside it; it belongs to another model`,
    )
  }
  return tokens
}
