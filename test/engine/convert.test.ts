// Conversions of number types, against gguf-py's values and naive arithmetic.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { convert, dequantize } from '../../engine/convert.ts'
import { DTypeError, NumericError, ShapeError } from '../../engine/errors.ts'
import { halfToFloat } from '../../engine/half.ts'
import { golden } from '../golden.ts'
import { readSafetensors, repository } from '../model/load/fixtures.ts'

const blocks = readSafetensors(repository('test/oracles/gguf/blocks.safetensors'))
const quantised = readSafetensors(repository('test/oracles/gguf/quantized.safetensors'))

function bytesOf(values: Iterable<number>): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}

function floatsOf(bytes: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(bytes).buffer)
}

function bits(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length)
}

const anyFloat = fc
  .integer({ min: 0, max: 0xffffffff })
  .map((word) => new Float32Array(Uint32Array.of(word).buffer)[0]!)

describe('dequantize', () => {
  const types = [...blocks.keys()].filter((name) => name.endsWith('.bytes')).map((name) => name.slice(0, -6))
  it('is tried on the fifteen types of the golden blocks', () => assert.equal(types.length, 15))

  for (const type of types) {
    it(`gives exactly gguf-py's values for ${type}, in upper and lower case, at even and odd addresses`, () => {
      const bytes = blocks.get(`${type}.bytes`)!.bytes
      const expected = bits(floatsOf(blocks.get(`${type}.values`)!.bytes))
      assert.deepEqual(bits(dequantize(type, bytes)), expected)
      assert.deepEqual(bits(dequantize(type.toLowerCase(), bytes)), expected)
      for (const shift of [1, 2, 3]) {
        const shifted = new Uint8Array(bytes.length + 4)
        shifted.set(bytes, shift)
        assert.deepEqual(bits(dequantize(type, shifted.subarray(shift, shift + bytes.length))), expected)
      }
      golden()
    })
  }

  it('copies F32 bit for bit, NaN payloads included, also from a Buffer at an odd address', () => {
    const words = Uint32Array.of(0x7fa00001, 0xff800000, 0x80000000, 1, 0x3f800000)
    const odd = Buffer.concat([Buffer.of(0), Buffer.from(words.buffer)]).subarray(1)
    const values = dequantize('F32', odd)
    assert.deepEqual(bits(values), words)
    odd.fill(0)
    assert.deepEqual(bits(values), words)
  })

  it('refuses other types by name, and bytes that are no whole blocks', () => {
    for (const type of ['Q8_K', 'I32', 'constructor', '']) {
      assert.throws(
        () => dequantize(type, new Uint8Array(32)),
        (error) => {
          return (
            error instanceof DTypeError &&
            error.message.includes(`"${type}"`) &&
            /F32, F16, BF16, Q8_0, Q4_0, Q4_1, .*Q4_K/.test(error.message)
          )
        },
      )
    }
    for (const [type, length] of [
      ['F32', 6],
      ['F16', 3],
      ['BF16', 1],
      ['Q8_0', 33],
      ['Q4_0', 17],
      ['Q4_1', 21],
      ['Q5_0', 18],
      ['Q4_K', 143],
      ['MXFP4', 18],
    ] as const) {
      assert.throws(() => dequantize(type, new Uint8Array(length)), ShapeError)
    }
    assert.equal(dequantize('Q8_0', new Uint8Array()).length, 0)
  })
})

describe('convert', () => {
  it('widens every f16 and every bf16 exactly', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i)
    const fromHalf = floatsOf(convert(new Uint8Array(all.buffer), 'f16', 'f32'))
    const fromBrain = bits(floatsOf(convert(new Uint8Array(all.buffer), 'bf16', 'f32')))
    for (const i of all) {
      assert.ok(Object.is(fromHalf[i], halfToFloat(i)), `f16 ${i}`)
      assert.equal(fromBrain[i], i * 65536)
    }
    const known = new Map([
      [0x3c00, 1],
      [0x7bff, 65504],
      [0x0001, 2 ** -24],
      [0x0400, 2 ** -14],
      [0xc000, -2],
      [0xfc00, -Infinity],
    ])
    for (const [half, value] of known) assert.equal(fromHalf[half], value)
  })

  it('rounds f32 to the nearest bf16, ties to even, infinities and NaN kept', () => {
    const round = (value: number): number =>
      floatsOf(convert(convert(bytesOf([value]), 'f32', 'bf16'), 'bf16', 'f32'))[0]!
    fc.assert(
      fc.property(anyFloat, (value) => {
        const rounded = round(value)
        if (Number.isNaN(value)) return Number.isNaN(rounded)
        // The two neighbours, cut and next away from zero; beyond the largest bf16 the next stands for infinity.
        const word = bits(Float32Array.of(value))[0]!
        const [cut, next] = [word >>> 16, (word >>> 16) + 1].map(
          (high) => new Float32Array(Uint32Array.of(high * 65536).buffer)[0]!,
        )
        const ends = [cut!, Number.isFinite(next) ? next! : Math.sign(value) * 2 ** 128] as const
        const [below, above] = [Math.abs(value - ends[0]), Math.abs(value - ends[1])]
        const isCut = !Number.isFinite(value) || below < above || (below === above && (word >>> 16) % 2 === 0)
        return Object.is(rounded, isCut ? cut : next)
      }),
      { numRuns: 5000 },
    )
    assert.equal(round(1 + 2 ** -8), 1)
    assert.equal(round(1 + 3 * 2 ** -8), 1 + 2 ** -6)
    assert.equal(round(3.4028234663852886e38), Infinity)
  })

  it('rounds f32 to the nearest f16, ties to even, infinities and NaN kept', () => {
    const every = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((half) => (half & 0x7fff) <= 0x7c00)
    const values = every.map((half) => half)
    const back = convert(bytesOf(Array.from(values, halfToFloat)), 'f32', 'f16')
    assert.deepEqual(new Uint16Array(new Uint8Array(back).buffer), every)
    // Halfway between neighbours, and a little to either side.
    const [below, tie, above] = [0, 1, 2].map((which) =>
      Array.from({ length: 0x7bff }, (_, half) => {
        const middle = (halfToFloat(half) + halfToFloat(half + 1)) / 2
        return middle + (which - 1) * 2 ** -14 * middle
      }),
    )
    const halves = (list: readonly number[]): Uint16Array =>
      new Uint16Array(new Uint8Array(convert(bytesOf(list), 'f32', 'f16')).buffer)
    for (const [i, half] of halves(below!).entries()) assert.equal(half, i)
    for (const [i, half] of halves(tie!).entries()) assert.equal(half, i + (i % 2))
    for (const [i, half] of halves(above!).entries()) assert.equal(half, i + 1)
    assert.ok((halves([Number.NaN])[0]! & 0x7fff) > 0x7c00)
    assert.throws(
      () => convert(bytesOf([1, 65520]), 'f32', 'f16'),
      (error) => error instanceof NumericError && /value 1 is 65520/.test(error.message),
    )
  })

  for (const type of ['q4_0', 'q5_0', 'iq4_nl'] as const) {
    it(`keeps every value of ${type} in q8_0`, () => {
      const { bytes } = blocks.get(`${type.toUpperCase()}.bytes`)!
      const packed = convert(bytes, type, 'q8_0')
      assert.equal(packed.length, (512 / 32) * 34)
      assert.deepEqual(bits(dequantize('Q8_0', packed)), bits(dequantize(type, bytes)))
    })
  }

  it('gives more values than are converted at a time what it gives each part of them', () => {
    const rows = 300 // of 512 values: more than 65536 twice
    const { bytes } = blocks.get('Q4_K.bytes')!
    const many = new Uint8Array(bytes.length * rows)
    for (let row = 0; row < rows; row++) many.set(bytes, row * bytes.length)
    for (const to of ['f32', 'bf16', 'q8_0'] as const) {
      const one = convert(bytes, 'q4_k', to)
      const all = convert(many, 'q4_k', to)
      assert.equal(all.length, one.length * rows)
      for (let row = 0; row < rows; row++) {
        assert.deepEqual(all.subarray(row * one.length, (row + 1) * one.length), one)
      }
    }
    const values = new Float32Array(70_000 - (70_000 % 32))
    values[69_000] = Number.NaN
    assert.throws(() => convert(bytesOf(values), 'f32', 'q8_0'), /values 68992 to 69023/)
  })

  it('gives every bf16 back after f32', () => {
    const all = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((i) => (i & 0x7fff) <= 0x7f80)
    const back = convert(convert(new Uint8Array(all.buffer), 'bf16', 'f32'), 'f32', 'bf16')
    assert.deepEqual(new Uint16Array(new Uint8Array(back).buffer), all)
  })

  it('quantises to q8_0 as a naive port of ggml does, at any scale', () => {
    const positive = Float64Array.from({ length: 0x7c00 }, (_, half) => halfToFloat(half))
    /** The nearest f16, found by looking at all of them; ties to even. */
    function nearestHalf(value: number): number {
      let best = 0
      for (let half = 1; half < positive.length; half++) {
        const gain = Math.abs(positive[best]! - value) - Math.abs(positive[half]! - value)
        if (gain > 0 || (gain === 0 && half % 2 === 0)) best = half
      }
      return best
    }
    function port(values: readonly number[]): Uint8Array {
      const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0)
      const d = Math.fround(largest / 127)
      const inverse = d === 0 ? 0 : Math.fround(1 / d)
      const half = nearestHalf(d)
      const signed = values.map((value) => {
        const x = Math.fround(value * inverse)
        return Math.sign(x) * Math.floor(Math.abs(x) + 0.5)
      })
      return Uint8Array.from([half & 255, half >> 8, ...signed.map((byte) => byte & 255)])
    }
    const value = fc.oneof(fc.float({ min: -1, max: 1, noNaN: true }), fc.constantFrom(0, -0, 0.5, -0.5, 1, -1))
    const block = fc.tuple(fc.array(value, { minLength: 32, maxLength: 32 }), fc.integer({ min: -30, max: 22 }))
    fc.assert(
      fc.property(block, ([unit, scale]) => {
        const values = unit.map((x) => Math.fround(x * 2 ** scale))
        assert.deepEqual(convert(bytesOf(values), 'f32', 'q8_0'), port(values))
      }),
      { numRuns: 300 },
    )
    const ramp = Array.from({ length: 32 }, (_, i) => i * 4 + 3 - 63.5)
    assert.deepEqual(convert(bytesOf(ramp), 'f32', 'q8_0'), port(ramp))
  })

  for (const type of ['q8_0', 'q4_0', 'q4_1'] as const) {
    it(`quantises to ${type} as gguf-py does, bit for bit`, () => {
      const packed = convert(quantised.get('values')!.bytes, 'f32', type)
      assert.deepEqual(packed, new Uint8Array(quantised.get(`${type.toUpperCase()}.bytes`)!.bytes))
      golden()
    })

    it(`packs what it unpacked from ${type} to values no further than a step away`, () => {
      const values = dequantize(type, blocks.get(`${type.toUpperCase()}.bytes`)!.bytes)
      const back = dequantize(type, convert(bytesOf(values), 'f32', type))
      for (let start = 0; start < values.length; start += 32) {
        const own = values.subarray(start, start + 32)
        const steps = type === 'q8_0' ? 127 : type === 'q4_0' ? 7 : 15
        const step = (Math.max(...own) - Math.min(...own)) / steps
        const near = step * 1.01 + (type === 'q4_1' ? Math.abs(Math.min(...own)) * 2 ** -11 : 0) // offsets are f16 too
        for (let i = start; i < start + 32; i++) assert.ok(Math.abs(values[i]! - back[i]!) <= near)
      }
    })
  }

  it('keeps q8_0 values within half a step of f16 and bf16 weights', () => {
    for (const from of ['f16', 'bf16'] as const) {
      const stored = blocks.get(`${from.toUpperCase()}.bytes`)!.bytes
      const values = dequantize(from, stored)
      const back = dequantize('q8_0', convert(stored, from, 'q8_0'))
      for (let start = 0; start < values.length; start += 32) {
        const largest = values.subarray(start, start + 32).reduce((max, value) => Math.max(max, Math.abs(value)), 0)
        for (let i = start; i < start + 32; i++) assert.ok(Math.abs(values[i]! - back[i]!) <= (largest / 127) * 0.57)
      }
    }
  })

  it('refuses what blocks cannot hold: NaN, infinities, values past f16 scales, half a block', () => {
    for (const type of ['q8_0', 'q4_0', 'q4_1'] as const) {
      for (const bad of [Number.NaN, Infinity, -Infinity, 1e30]) {
        const values = new Float32Array(64)
        values[40] = bad
        assert.throws(
          () => convert(bytesOf(values), 'f32', type),
          (error) => {
            return (
              error instanceof NumericError &&
              error.message.includes(`${type} `) &&
              /values 32 to 63/.test(error.message)
            )
          },
        )
      }
      assert.throws(() => convert(bytesOf(new Float32Array(33)), 'f32', type), ShapeError)
    }
    const zeros = bytesOf(new Float32Array(32))
    assert.deepEqual(convert(zeros, 'f32', 'q8_0'), new Uint8Array(34))
    for (const type of ['q4_0', 'q4_1'] as const) {
      const back = dequantize(type, convert(zeros, 'f32', type))
      assert.ok(back.every((value) => value === 0))
    }
    // An offset past the largest f16, with a scale that fits.
    assert.throws(() => convert(bytesOf(new Float32Array(32).fill(70000)), 'f32', 'q4_1'), NumericError)
  })

  it('returns the same bytes for the same type', () => {
    const bytes = bytesOf([1, 2])
    assert.equal(convert(bytes, 'f32', 'f32'), bytes)
  })
})
