// How kernels see a weight on the device: f32 by one or by four, blocks as words of whole numbers with the scales apart.

export type Weights = 'f32' | 'f32 in fours' | 'q8_0' | 'q4_0'

/** The type of an element. */
export const elementOf: Readonly<Record<Weights, 'f32' | 'vec4<f32>' | 'u32'>> = {
  f32: 'f32',
  'f32 in fours': 'vec4<f32>',
  q8_0: 'u32',
  q4_0: 'u32',
}

/**
 * The whole numbers in a word of a block: `signed` of q8_0, `nibbles` of the low halves of q4_0's bytes, and
 * `nibble` the lowest of each of four words.
 */
export const blockValues = `
fn signed(word: u32) -> vec4f {
  return vec4f(vec4i(vec4u(word << 24u, word << 16u, word << 8u, word)) >> vec4u(24u));
}

fn nibbles(word: u32) -> vec4f {
  return vec4f(vec4i((vec4u(word) >> vec4u(0u, 8u, 16u, 24u)) & vec4u(15u)) - vec4i(8));
}

fn nibble(words: vec4u) -> vec4f {
  return vec4f(vec4i(words & vec4u(15u)) - vec4i(8));
}`
