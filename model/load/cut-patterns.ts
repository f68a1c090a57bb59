// The regular expressions by which Llama's kin cut texts into words before merging. None of them backtracks for long.

/** Contractions in any case, spelled out: not every JavaScript has `(?i:)`. */
const spelledOut = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]"
/** The same as tokenizer.json files have it. */
const inFiles = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
const word = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+'
const rest = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+'

const pattern = (contractions: string, digits: string): string => `${contractions}|${word}|${digits}|${rest}`

/** Llama 3 keeps up to three digits together, Qwen 2 none. */
export const cutPatterns: { readonly llama3: string; readonly qwen2: string } = {
  llama3: pattern(spelledOut, '\\p{N}{1,3}'),
  qwen2: pattern(spelledOut, '\\p{N}'),
}

/** In all spellings. */
export const knownPatterns: ReadonlySet<string> = new Set([
  ...Object.values(cutPatterns),
  pattern(inFiles, '\\p{N}{1,3}'),
  pattern(inFiles, '\\p{N}'),
])
