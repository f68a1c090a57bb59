// A tokenizer.json whose tokens are the 256 bytes, and merges of these.

/** Bytes have the ids 0 to 255, and what merges make those behind them. */
export function byteTokenizer(merges: readonly string[] = []): {
  readonly model: { readonly vocab: Readonly<Record<string, number>> }
} {
  // The characters that stand for bytes: those that show, and others from U+0100 on.
  const shown = (byte: number): boolean => /^[!-~\u00a1-\u00ac\u00ae-\u00ff]$/.test(String.fromCharCode(byte))
  const bytes = Array.from({ length: 256 }, (_, byte) => byte)
  const hidden = bytes.filter((byte) => !shown(byte))
  const tokens = bytes.map((byte) => String.fromCharCode(shown(byte) ? byte : 256 + hidden.indexOf(byte)))
  const all = [...tokens, ...merges.map((merge) => merge.replace(' ', ''))]
  const json = {
    added_tokens: [],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: Object.fromEntries(all.map((token, id) => [token, id])), merges },
  }
  return json
}
