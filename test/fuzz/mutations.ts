// Damage to files: bytes changed, cut, moved and counted wrong; JSON with other values, keys and names.
import fc from 'fast-check'

/** A change of a file's bytes. */
export type Damage = (bytes: Uint8Array) => Uint8Array

/** Numbers at which readers trip: around zero, signs, 32 and 53 and 64 bits. */
const edges = [0n, 1n, 2n, 3n, 7n, 8n, 9n, 31n, 32n, 33n, 255n, 256n, 65535n, 65536n]
const largeEdges = [31n, 32n, 40n, 52n, 53n, 62n, 63n].flatMap((power) => [
  2n ** power - 1n,
  2n ** power,
  2n ** power + 1n,
])
const number = fc.oneof(
  fc.constantFrom(...edges, ...largeEdges, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
)

/** A place: mostly within the first `head` bytes. */
const place = (head: number): fc.Arbitrary<number> =>
  fc.oneof({ weight: 9, arbitrary: fc.nat(head - 1) }, { weight: 1, arbitrary: fc.nat(2 ** 20) })

/** One change to bytes that are not text. */
function binaryDamage(head: number): fc.Arbitrary<Damage> {
  const at = place(head)
  const length = fc.oneof(fc.nat(16), fc.nat(head))
  return fc.oneof(
    fc.tuple(at, fc.integer({ min: 1, max: 255 })).map(([at, flip]): Damage => {
      return (bytes) => edited(bytes, at, (view, at) => view.setUint8(at, view.getUint8(at) ^ flip), 1)
    }),
    fc.tuple(at, number).map(([at, value]): Damage => {
      return (bytes) => edited(bytes, at, (view, at) => view.setBigUint64(at, value, true), 8)
    }),
    fc.tuple(at, number).map(([at, value]): Damage => {
      return (bytes) => edited(bytes, at, (view, at) => view.setUint32(at, Number(value & 0xffffffffn), true), 4)
    }),
    at.map(
      (at): Damage =>
        (bytes) =>
          bytes.slice(0, at),
    ),
    fc.tuple(at, length).map(
      ([at, length]): Damage =>
        (bytes) =>
          joined(bytes.slice(0, at), bytes.slice(at + length)),
    ),
    fc.tuple(at, at, length).map(
      ([at, from, length]): Damage =>
        (bytes) =>
          joined(bytes.slice(0, at), bytes.slice(from, from + length), bytes.slice(at)),
    ),
    fc.tuple(at, fc.uint8Array({ maxLength: 64 })).map(([at, more]): Damage => {
      return (bytes) => joined(bytes.slice(0, at), more, bytes.slice(at))
    }),
  )
}

function edited(bytes: Uint8Array, at: number, edit: (view: DataView, at: number) => void, size: number): Uint8Array {
  if (bytes.length < size) return bytes
  const copy = bytes.slice()
  edit(new DataView(copy.buffer), Math.min(at, copy.length - size))
  return copy
}

function joined(...pieces: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(Buffer.concat(pieces))
}

const value = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    false,
    0,
    -0,
    -1,
    1,
    0.5,
    2 ** 31,
    2 ** 53,
    -(2 ** 53),
    1e308,
    1e-320,
    '',
    [],
    {},
  ),
  fc.constantFrom<unknown>(
    '..',
    '../x',
    '/etc/passwd',
    'a/../../b',
    'C:\\x',
    'http://example.org/x',
    '\u0000',
    '__proto__',
  ),
  fc.constantFrom<unknown>(
    'F32',
    'I8',
    'BOOL',
    'float32',
    'uint8',
    'BPE',
    'Unigram',
    'WordPiece',
    'llama',
    'Sequence',
    '(a',
  ),
  fc.integer(),
  fc.double(),
  fc.string({ maxLength: 20 }),
  fc.array(fc.integer({ min: -2, max: 300 }), { maxLength: 5 }),
  fc.jsonValue({ maxDepth: 2 }).map((json): unknown => json),
)

type JsonEdit =
  | { readonly kind: 'set'; readonly node: number; readonly value: unknown }
  | { readonly kind: 'delete'; readonly node: number }
  | { readonly kind: 'rename'; readonly node: number; readonly name: string }
  | { readonly kind: 'copy'; readonly node: number; readonly from: number }

const node = fc.nat(5000)
const jsonEdit: fc.Arbitrary<JsonEdit> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), node, value }),
  fc.record({ kind: fc.constant('delete' as const), node }),
  fc.record({ kind: fc.constant('rename' as const), node, name: fc.string({ maxLength: 8 }) }),
  fc.record({ kind: fc.constant('copy' as const), node, from: node }),
)

type Holder = Record<string, unknown>

/** Every place of a value inside JSON; long lists and tables have some of theirs only, or they would be all that is hit. */
function placesIn(holder: Holder, places: { holder: Holder; key: string }[] = []): { holder: Holder; key: string }[] {
  const keys = Object.keys(holder)
  const step = Math.ceil(keys.length / 24)
  for (const [i, key] of keys.entries()) {
    if (i % step !== 0) continue
    places.push({ holder, key })
    const inner = holder[key]
    if (typeof inner === 'object' && inner !== null) placesIn(inner as Holder, places) // lists are read by index
  }
  return places
}

/** Changes to the values of JSON. */
export function editJson(text: Uint8Array, edits: readonly JsonEdit[]): Uint8Array {
  const root: Holder = { root: JSON.parse(Buffer.from(text).toString()) }
  for (const edit of edits) {
    const places = placesIn(root)
    const pick = (index: number) => places[index % places.length]
    const target = pick(edit.node)
    if (!target) break
    const { holder, key } = target
    switch (edit.kind) {
      case 'set':
        holder[key] = edit.value
        break
      case 'delete':
        if (Array.isArray(holder)) holder.splice(Number(key), 1)
        else delete holder[key]
        break
      case 'rename':
        if (!Array.isArray(holder)) holder[edit.name] = holder[key]
        break
      default: {
        const source = pick(edit.from)!
        holder[key] = structuredClone(source.holder[source.key])
      }
    }
  }
  return Uint8Array.from(Buffer.from(JSON.stringify(root['root']) ?? 'null'))
}

/** Some changes to a file of bytes; `head`: how many of them say what the others are. */
export function damagedBinary(head: number): fc.Arbitrary<Damage> {
  return fc.array(binaryDamage(head), { minLength: 1, maxLength: 3 }).map((list): Damage => {
    return (bytes) => list.reduce((changed, change) => change(changed), bytes)
  })
}

/** Some changes to a file of JSON: mostly to its values, now and then to its bytes. */
export const damagedJson: fc.Arbitrary<Damage> = fc.oneof(
  {
    weight: 9,
    arbitrary: fc.array(jsonEdit, { minLength: 1, maxLength: 3 }).map(
      (edits): Damage =>
        (text) =>
          editJson(text, edits),
    ),
  },
  { weight: 1, arbitrary: damagedBinary(4096) },
)

/** Some changes to the JSON header of a safetensors file, whose length stays right. */
export const damagedHeader: fc.Arbitrary<Damage> = fc
  .array(jsonEdit, { minLength: 1, maxLength: 3 })
  .map((edits): Damage => {
    return (bytes) => {
      const data = 8 + Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true))
      const header = editJson(bytes.subarray(8, data), edits)
      const length = new Uint8Array(BigUint64Array.of(BigInt(header.length)).buffer)
      return joined(length, header, bytes.subarray(data))
    }
  })
