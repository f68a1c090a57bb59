// Made-up tensors in every type of TensorFlow.js's own form, with their values worked out here.
import fc from 'fast-check'

export interface MadeTensor {
  readonly entry: { readonly name: string }
  readonly bytes: Uint8Array
  readonly expected: readonly number[]
}

const real = fc.float({ noNaN: true, noDefaultInfinity: true })

/** Up to five tensors, each of any type, with names of their own. */
export const someTensors: fc.Arbitrary<MadeTensor[]> = fc
  .array(
    fc.oneof(
      fc.array(real, { maxLength: 9 }).map((list) => made(Float32Array.from(list), {}, list)),
      fc
        .tuple(fc.uint8Array({ maxLength: 9 }), real, real)
        .filter(([, scale, min]) => Number.isFinite(Math.fround(255 * scale + min)))
        .map(([list, scale, min]) => quantisedTensor(list, { dtype: 'uint8', scale, min })),
      fc
        .tuple(fc.uint16Array({ maxLength: 9 }), real, real)
        .filter(([, scale, min]) => Number.isFinite(Math.fround(65535 * scale + min)))
        .map(([list, scale, min]) => quantisedTensor(list, { dtype: 'uint16', scale, min })),
      fc
        .array(fc.tuple(fc.integer({ min: 1, max: 30 }), fc.nat(1023), fc.boolean()), { maxLength: 9 })
        .map((list) => halves(list)),
    ),
    { maxLength: 5 },
  )
  .map((list) => list.map((tensor, i) => ({ ...tensor, entry: { ...tensor.entry, name: `t${i}` } })))

function made(list: Float32Array | Uint8Array | Uint16Array, more: object, expected: readonly number[]): MadeTensor {
  const entry = { name: '', shape: [list.length], dtype: 'float32', ...more }
  return { entry, bytes: new Uint8Array(list.buffer, list.byteOffset, list.byteLength), expected }
}

function quantisedTensor(
  list: Uint8Array | Uint16Array,
  quantization: { dtype: string; scale: number; min: number },
): MadeTensor {
  const { scale, min } = quantization
  return made(
    list,
    { quantization },
    Array.from(list, (n) => Math.fround(n * scale + min)),
  )
}

/** Normal halves by their fields: exponent, fraction, sign. */
function halves(list: readonly (readonly [exponent: number, fraction: number, negative: boolean])[]): MadeTensor {
  const bits = Uint16Array.from(
    list,
    ([exponent, fraction, negative]) => (negative ? 0x8000 : 0) | (exponent << 10) | fraction,
  )
  const expected = list.map(
    ([exponent, fraction, negative]) => (negative ? -1 : 1) * (1 + fraction / 1024) * 2 ** (exponent - 15),
  )
  return made(bits, { quantization: { dtype: 'float16' } }, expected)
}
