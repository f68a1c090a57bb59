// GGUF's blocks of 256 values: a scale for all, and small whole numbers that scale it for runs of 16 or 32. They are only
// decoded, in the f32 arithmetic of ggml. Every function writes the block at byte `at` from `out[to]` on.

import { halfAt } from './half.ts'

const { fround } = Math

/** The steps of iq4_nl and iq4_xs, finer around zero, where most weights are. */
export const unevenSteps: Int8Array = Int8Array.of(
  ...[-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113],
)

/** q2_k: 16 bytes of a scale and an offset for each run of 16, 64 bytes of 2 bits a value, then the two f16 they multiply. */
export function decodeQ2K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const [scale, offset] = [halfAt(bytes, at + 80), halfAt(bytes, at + 82)]
  for (let run = 0; run < 16; run++) {
    const both = bytes[at + run]!
    const [step, least] = [fround(scale * (both & 15)), fround(offset * (both >> 4))]
    const from = at + 16 + pairsOf(run)
    for (let i = 0; i < 16; i++) {
      const q = (bytes[from + i]! >> shiftOf(run)) & 3
      out[to + 16 * run + i] = fround(step * q) - least
    }
  }
}

/** q3_k: 32 bytes of third bits, 64 of the lower two, 12 of a scale of 6 bits for each run of 16, then an f16. */
export function decodeQ3K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at + 108)
  for (let run = 0; run < 16; run++) {
    const low = (bytes[at + 96 + (run & 7)]! >> (run < 8 ? 0 : 4)) & 15
    const high = (bytes[at + 104 + (run & 3)]! >> (2 * (run >> 2))) & 3
    const step = fround(scale * ((low | (high << 4)) - 32))
    const [from, third] = [at + 32 + pairsOf(run), at + 16 * (run & 1)]
    for (let i = 0; i < 16; i++) {
      const q = (bytes[from + i]! >> shiftOf(run)) & 3
      const isSet = (bytes[third + i]! >> (run >> 1)) & 1
      out[to + 16 * run + i] = step * (isSet ? q : q - 4)
    }
  }
}

/** Where the 16 bytes are that hold 2 bits of each value of a run: each half of the block has 32 bytes of 4 bit pairs. */
function pairsOf(run: number): number {
  return 32 * (run >> 3) + 16 * (run & 1)
}

function shiftOf(run: number): number {
  return 2 * ((run >> 1) & 3)
}

/** q4_k: two f16, 12 bytes of a scale and an offset of 6 bits for each run of 32, then 4 bits a value. */
export function decodeQ4K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  for (let run = 0; run < 8; run++) {
    const { step, least } = sixBits(bytes, at, run)
    const from = at + 16 + 32 * (run >> 1)
    for (let i = 0; i < 32; i++) {
      const q = (bytes[from + i]! >> (4 * (run & 1))) & 15
      out[to + 32 * run + i] = fround(step * q) - least
    }
  }
}

/** q5_k: as q4_k, with 32 bytes of fifth bits before the lower four. */
export function decodeQ5K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  for (let run = 0; run < 8; run++) {
    const { step, least } = sixBits(bytes, at, run)
    const from = at + 48 + 32 * (run >> 1)
    for (let i = 0; i < 32; i++) {
      const q = (bytes[from + i]! >> (4 * (run & 1))) & 15
      const fifth = (bytes[at + 16 + i]! >> run) & 1
      out[to + 32 * run + i] = fround(step * (q | (fifth << 4))) - least
    }
  }
}

/** The scale and the offset of a run of q4_k and q5_k: the last four runs have their upper 2 bits above those of the first. */
function sixBits(bytes: Uint8Array, at: number, run: number): { step: number; least: number } {
  const [scale, offset] = [halfAt(bytes, at), halfAt(bytes, at + 2)]
  const upper = at + 4 + (run & 3)
  const [a, b, c] = [bytes[upper]!, bytes[upper + 4]!, bytes[upper + 8]!]
  const [q, m] = run < 4 ? [a & 63, b & 63] : [(c & 15) | ((a >> 2) & 48), (c >> 4) | ((b >> 2) & 48)]
  return { step: fround(scale * q), least: fround(offset * m) }
}

/** q6_k: 128 bytes of the lower 4 bits, 64 of the upper 2, 16 signed bytes that scale runs of 16, then an f16. */
export function decodeQ6K(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at + 208)
  for (let run = 0; run < 16; run++) {
    const step = fround(scale * ((bytes[at + 192 + run]! << 24) >> 24))
    const half = run >> 3
    const low = at + 64 * half + 16 * (run & 3)
    const high = at + 128 + pairsOf(run)
    for (let i = 0; i < 16; i++) {
      const q = (bytes[low + i]! >> ((run & 4) === 0 ? 0 : 4)) & 15
      const upper = (bytes[high + i]! >> shiftOf(run)) & 3
      out[to + 16 * run + i] = step * ((q | (upper << 4)) - 32)
    }
  }
}

/** iq4_xs: an f16, scales of 6 bits for runs of 32 (2 bytes of upper bits, 4 of lower), then 4 bits a value, uneven steps. */
export function decodeIQ4XS(bytes: Uint8Array, at: number, out: Float32Array, to: number): void {
  const scale = halfAt(bytes, at)
  const upper = bytes[at + 2]! | (bytes[at + 3]! << 8)
  for (let run = 0; run < 8; run++) {
    const low = (bytes[at + 4 + (run >> 1)]! >> (4 * (run & 1))) & 15
    const step = fround(scale * ((low | (((upper >> (2 * run)) & 3) << 4)) - 32))
    const from = at + 8 + 16 * run
    for (let i = 0; i < 16; i++) {
      const pair = bytes[from + i]!
      out[to + 32 * run + i] = step * unevenSteps[pair & 15]!
      out[to + 32 * run + 16 + i] = step * unevenSteps[pair >> 4]!
    }
  }
}
