// Vocabularies of SentencePiece's BPE kind as a tokenizer.json: tokens with scores stand for merges, by the rules of Hugging
// Face's own converter (transformers, convert_slow_tokenizer.py). Vocabularies of other kinds share what is around them.

import { ModelFormatError } from '../../engine/errors.ts'

/** Kinds of tokens, as SentencePiece numbers them; GGUF does too. */
export const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

export interface Vocabulary {
  readonly tokens: readonly string[]
  /** Of each token, one of {@link kinds}. */
  readonly kinds: readonly number[]
  /** The ids of tokens that each text begins and ends with. */
  readonly begin: number | undefined
  readonly end: number | undefined
  /** The file, for messages. */
  readonly name: string
}

/** What a tokenizer.json and its tokenizer_config.json would hold. */
export interface TokenizerFiles {
  readonly json: unknown
  readonly config: unknown
}

/** A tokenizer.json of these parts, with the special tokens, and those that texts begin and end with. */
export function tokenizerFiles(
  { tokens, kinds: kindOf, begin, end }: Vocabulary,
  parts: { readonly [part: string]: unknown },
): TokenizerFiles {
  const added = tokens.flatMap((content, id) => {
    const kind = kindOf[id]
    if (kind !== kinds.control && kind !== kinds.unknown && kind !== kinds.userDefined) return []
    const special = kind !== kinds.userDefined
    return [{ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special }]
  })
  const item = (id: number | undefined) =>
    id === undefined ? [] : [{ SpecialToken: { id: `${tokens[id]}`, type_id: 0 } }]
  const [before, after] = [item(begin), item(end)]
  const single = [...before, { Sequence: { id: 'A', type_id: 0 } }, ...after]
  const pair = [...single, ...before, { Sequence: { id: 'B', type_id: 0 } }, ...after]
  const special = [begin, end].flatMap((id) => {
    const token = id === undefined ? undefined : tokens[id]
    return token === undefined ? [] : [[token, { id: token, ids: [id], tokens: [token] }]]
  })
  return {
    json: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: added,
      ...parts,
      post_processor: { type: 'TemplateProcessing', single, pair, special_tokens: Object.fromEntries(special) },
    },
    config: { clean_up_tokenization_spaces: false },
  }
}

/** Characters; each way of cutting a token in two is looked at. SentencePiece's own limit is 16, Llama 2's longest has 16. */
const longestToken = 256

/**
 * SentencePiece's BPE with byte fallback. `hasPrefix`: a space is put before each text. Throws {@link ModelFormatError} where
 * a byte has no token, and for tokens too long to be any.
 */
export function sentencePieceFiles(
  vocabulary: Vocabulary,
  { scores, hasPrefix }: { readonly scores: readonly number[]; readonly hasPrefix: boolean },
): TokenizerFiles {
  const { tokens, name } = vocabulary
  const vocab = idsOf(vocabulary)
  for (let byte = 0; byte < 256; byte++) {
    if (!vocab.has(byteToken(byte))) throw new ModelFormatError(`the tokenizer of ${name} has no ${byteToken(byte)}`)
  }
  const long = tokens.findIndex((text, id) => vocabulary.kinds[id] === kinds.normal && text.length > longestToken)
  if (long !== -1) {
    throw new ModelFormatError(
      `token ${long} of ${name} has ${tokens[long]!.length} characters; at most ${longestToken} are believed`,
    )
  }
  const merged = tokens.flatMap((text, id) =>
    vocabulary.kinds[id] === kinds.normal ? [{ text, score: scores[id]! }] : [],
  )
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '\u2581' }
  const back = { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' }
  const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 }
  return tokenizerFiles(vocabulary, {
    normalizer: {
      type: 'Sequence',
      normalizers: [...(hasPrefix ? [{ type: 'Prepend', prepend: '\u2581' }] : []), spaces],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [back, { type: 'ByteFallback' }, { type: 'Fuse' }, ...(hasPrefix ? [strip] : [])],
    },
    model: bpeModel({ vocab, merges: mergesOf(merged, vocab), byte_fallback: true }),
  })
}

/** The first id of each token. Throws {@link ModelFormatError} where there is none. */
export function idsOf({ tokens, name }: Vocabulary): ReadonlyMap<string, number> {
  const vocab = new Map<string, number>()
  for (const [id, token] of tokens.entries()) if (!vocab.has(token)) vocab.set(token, id)
  if (vocab.size === 0) throw new ModelFormatError(`the tokenizer of ${name} has no tokens`)
  return vocab
}

export interface ScoredToken {
  readonly text: string
  readonly score: number
}

/**
 * Every way of making a token of two others, best first: by score, and among equal scores (Llama 2's runs of spaces) the
 * longer left part first, which then grows from the left. `vocab` has the tokens that may be parts.
 */
export function mergesOf(
  tokens: readonly ScoredToken[],
  vocab: { has(token: string): boolean },
): [left: string, right: string][] {
  const merges: { left: string; right: string; score: number }[] = []
  for (const { text, score } of tokens) {
    for (let cut = 1; cut < text.length; cut++) {
      const left = text.slice(0, cut)
      const right = text.slice(cut)
      if (vocab.has(left) && vocab.has(right)) merges.push({ left, right, score })
    }
  }
  merges.sort((a, b) => b.score - a.score || b.left.length - a.left.length)
  return merges.map(({ left, right }) => [left, right])
}

/** The name of a byte's token, as `<0x0A>`. */
export function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`
}

/** The `model` of a tokenizer.json: BPE, with defaults for what does not vary here. */
export function bpeModel(parts: {
  readonly vocab: ReadonlyMap<string, number>
  readonly merges: readonly (string | readonly [string, string])[]
  readonly byte_fallback?: boolean
  readonly ignore_merges?: boolean
  readonly unk_token?: string | null
}): object {
  const { vocab, ...rest } = parts
  return {
    type: 'BPE',
    dropout: null,
    unk_token: null,
    continuing_subword_prefix: null,
    end_of_word_suffix: null,
    fuse_unk: false,
    byte_fallback: false,
    ignore_merges: false,
    ...rest,
    vocab: Object.fromEntries(vocab),
  }
}
