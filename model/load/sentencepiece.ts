// What vocabularies of SentencePiece's BPE kind have in common: tokens with scores stand for merges, by the rules of Hugging
// Face's own converter (transformers, convert_slow_tokenizer.py).

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

/** What a tokenizer.json and its tokenizer_config.json would hold. */
export interface TokenizerFiles {
  readonly json: unknown
  readonly config: unknown
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
