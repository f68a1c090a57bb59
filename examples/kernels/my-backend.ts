// A backend of one's own: f32 numbers in plain arrays, ops that are recorded and run when something is read, sums in f32
// whose order is always the same. docs/kernels.md builds this file part by part; it uses the package as any project would.

import {
  type Arena,
  type BackendModule,
  type Capabilities,
  elementCount,
  type HostArray,
  type KVCache,
  type Ops,
  type Segments,
  type Tensor,
} from 'drafthorse/engine'

/** What the contract asks of a tensor, and where its numbers are. */
export interface Mine extends Tensor {
  readonly data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>
}

/** The kernels, as far as they are written. */
export const kernels: Partial<Ops<Mine>> = {}

/** The ops as a model calls them: each takes what the caller may change afterwards, and records its kernel. */
function recordedOps(written: Partial<Ops<Mine>>, record: (work: () => void) => void): Ops<Mine> {
  function taken<O extends { segments: Segments }>(options: O): O {
    return { ...options, segments: options.segments.map((segment) => ({ ...segment })) }
  }
  return {
    embed(out, ids, options) {
      const own = ids instanceof Int32Array ? ids.slice() : ids
      record(() => written.embed!(out, own, options))
    },
    rmsNorm: (out, x, options) => record(() => written.rmsNorm!(out, x, options)),
    linear: (out, x, options) => record(() => written.linear!(out, x, options)),
    rope(out, x, options) {
      const own = taken(options)
      record(() => written.rope!(out, x, own))
    },
    storeKV(keys, values, options) {
      const own = taken(options)
      record(() => written.storeKV!(keys, values, own))
    },
    attention(out, queries, options) {
      const own = taken(options)
      record(() => written.attention!(out, queries, own))
    },
    swiglu: (out, gate, up) => record(() => written.swiglu!(out, gate, up)),
    copyRows(out, x, { rows, at }) {
      const own = [...rows]
      record(() => written.copyRows!(out, x, { rows: own, at }))
    },
    copyKV: (out, source, options) => record(() => written.copyKV!(out, source, options)),
    select: (out, logits, options) => record(() => written.select!(out, logits, options)),
  }
}

/** Arenas, and those of them that are not released yet. */
function createArenas(): { arena(): Arena<Mine>; live: Set<Mine[]> } {
  const live = new Set<Mine[]>()
  const spare: Record<number, ArrayBuffer[]> = {}

  function arena(): Arena<Mine> {
    const made: Mine[] = []
    live.add(made)
    return {
      tensor(shape, dtype = 'f32') {
        const bytes = 4 * elementCount(shape)
        const buffer = spare[bytes]?.pop() ?? new ArrayBuffer(bytes)
        const tensor = { shape, dtype, data: dtype === 'i32' ? new Int32Array(buffer) : new Float32Array(buffer) }
        made.push(tensor)
        return tensor
      },
      release() {
        if (!live.delete(made)) return
        for (const { data } of made) {
          spare[data.byteLength] ??= []
          spare[data.byteLength]!.push(data.buffer)
        }
      },
    }
  }

  return { arena, live }
}

interface Cache extends KVCache {
  readonly parent?: { readonly cache: Cache; readonly length: number }
  /** Per layer pages of positions, each `[pageSize, 2, width]`: for a position its keys, and then its values. */
  readonly pages: readonly Mine['data'][][]
}

const pageSize = 64

/** The page that holds a position, in this cache or in the one that it continues, and where its keys begin there. */
function find(cache: Cache, layer: number, position: number): { page: Mine['data']; at: number } {
  const { parent, width } = cache
  if (parent && position < parent.length) return find(parent.cache, layer, position)
  const pages = cache.pages[layer]!
  const number = Math.floor(position / pageSize)
  pages[number] ??= new Float32Array(pageSize * 2 * width)
  return { page: pages[number], at: (position % pageSize) * 2 * width }
}

const capabilities: Capabilities = {
  rowInvariant: true,
  dtypes: ['f32'],
  threads: 1,
  passRows: 16,
  device: 'recorded closures',
  kind: 'software',
}

/** A backend that runs these kernels. */
export function recording(written: Partial<Ops<Mine>>): BackendModule<Mine> {
  return {
    name: 'mine',
    async open() {
      const list: (() => void)[] = []
      const arenas = createArenas()
      const [tensors, caches] = [new Set<Mine>(), new Set<Cache>()]
      return {
        name: 'mine',
        capabilities,
        ops: recordedOps(written, (work) => list.push(work)),
        arena: arenas.arena,
        upload(data, { shape, dtype }) {
          const { buffer } = new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice()
          const tensor = { shape, dtype, data: dtype === 'i32' ? new Int32Array(buffer) : new Float32Array(buffer) }
          tensors.add(tensor)
          return tensor
        },
        createCache(spec: Omit<Cache, 'pages'>) {
          const cache = { ...spec, pages: Array.from({ length: spec.layers }, () => []) }
          caches.add(cache)
          return cache
        },
        async read(wanted): Promise<HostArray[]> {
          for (const work of list.splice(0)) work()
          return wanted.map(({ data }) => data.slice())
        },
        free(handle: Mine | Cache) {
          if ('data' in handle) tensors.delete(handle)
          else caches.delete(handle)
        },
        memory() {
          const arrays = [...tensors, ...[...arenas.live].flat()].map(({ data }) => data)
          const pages = [...caches].flatMap((cache) => cache.pages.flat())
          const bytes = [...arrays, ...pages].reduce((sum, { byteLength }) => sum + byteLength, 0)
          return { tensors: tensors.size, caches: caches.size, arenas: arenas.live.size, bytes }
        },
        async dispose() {
          for (const held of [tensors, caches, arenas.live]) held.clear()
          list.length = 0
        },
      }
    },
  }
}

const backend: BackendModule<Mine> = recording(kernels)

export default backend

/** The size of the last axis. */
const width = ({ shape }: Tensor): number => shape.at(-1)!

kernels.rmsNorm = (out, x, { weight, epsilon }) => {
  const size = width(weight)
  for (let start = 0; start < x.data.length; start += size) {
    const squares = dot(x.data, start, x.data, start, size)
    const scale = 1 / Math.sqrt(squares / size + epsilon)
    for (let i = 0; i < size; i++) out.data[start + i] = x.data[start + i]! * scale * weight.data[i]!
  }
}

const lanes = new Float32Array(8)

/** The sum of `size` products in f32: eight running sums side by side, added up in one order. */
function dot(a: Mine['data'], aStart: number, b: Mine['data'], bStart: number, size: number): number {
  lanes.fill(0)
  for (let i = 0; i < size; i++) lanes[i % 8]! += a[aStart + i]! * b[bStart + i]!
  return lanes.reduce((sum, lane) => Math.fround(sum + lane))
}

kernels.linear = (out, x, { weight, bias, residual }) => {
  const [size, outSize] = [width(x), width(out)]
  for (let o = 0; o < outSize; o++) {
    for (let row = 0; row < out.shape[0]!; row++) {
      const at = row * outSize + o
      const sum = dot(x.data, row * size, weight.data, o * size, size)
      out.data[at] = sum + (bias?.data[o] ?? 0) + (residual?.data[at] ?? 0)
    }
  }
}

/** Row `from` of one table becomes row `to` of another. */
function copyRow(out: Mine, to: number, x: Mine, from: number): void {
  const size = width(x)
  out.data.set(x.data.subarray(from * size, (from + 1) * size), to * size)
}

kernels.embed = (out, ids, { table }) => {
  const list = ids instanceof Int32Array ? ids : ids.data
  for (const [row, id] of list.entries()) copyRow(out, row, table, id)
}

kernels.copyRows = (out, x, { rows, at }) => {
  for (const [i, row] of rows.entries()) copyRow(out, at + i, x, row)
}

kernels.swiglu = (out, gate, up) => {
  for (let i = 0; i < out.data.length; i++) {
    const g = gate.data[i]!
    out.data[i] = (g / (1 + Math.exp(-g))) * up.data[i]!
  }
}

/** For each row of a pass the cache of its sequence, and its position. */
function rowsOf<C extends KVCache>(segments: Segments<C>): { cache: C; position: number }[] {
  return segments.flatMap(({ cache, start, count }) =>
    Array.from({ length: count }, (_, i) => ({ cache, position: start + i })),
  )
}

kernels.rope = (out, x, { cos, sin, segments }) => {
  const [size, half] = [width(x), width(cos)]
  for (const [row, { position }] of rowsOf(segments).entries()) {
    for (let head = row * size; head < (row + 1) * size; head += 2 * half) {
      for (let i = 0; i < half; i++) {
        const [c, s] = [cos.data[position * half + i]!, sin.data[position * half + i]!]
        const [a, b] = [x.data[head + i]!, x.data[head + half + i]!]
        out.data[head + i] = a * c - b * s
        out.data[head + half + i] = b * c + a * s
      }
    }
  }
}

kernels.storeKV = (keys, values, { layer, segments }: { layer: number; segments: Segments<Cache> }) => {
  const size = width(keys)
  for (const [row, { cache, position }] of rowsOf(segments).entries()) {
    const { page, at } = find(cache, layer, position)
    page.set(keys.data.subarray(row * size, (row + 1) * size), at)
    page.set(values.data.subarray(row * size, (row + 1) * size), at + size)
  }
}

kernels.copyKV = (out: Cache, source: Cache, { from, to }) => {
  for (let layer = 0; layer < out.layers; layer++) {
    for (let position = from; position < to; position++) {
      const [theirs, ours] = [find(source, layer, position), find(out, layer, position)]
      ours.page.set(theirs.page.subarray(theirs.at, theirs.at + 2 * out.width), ours.at)
    }
  }
}

kernels.attention = (out, queries, options: Parameters<Ops['attention']>[2] & { segments: Segments<Cache> }) => {
  const { layer, segments, headSize, scale, window = Number.POSITIVE_INFINITY } = options
  const heads = width(queries) / headSize
  for (const [row, { cache, position }] of rowsOf(segments).entries()) {
    const group = heads / (cache.width / headSize)
    const first = Math.max(0, position + 1 - window)
    const seen = Array.from({ length: position + 1 - first }, (_, i) => find(cache, layer, first + i))
    for (let head = 0; head < heads; head++) {
      const query = (row * heads + head) * headSize
      const key = Math.floor(head / group) * headSize
      const scores = seen.map(({ page, at }) => scale * dot(queries.data, query, page, at + key, headSize))
      const largest = scores.reduce((a, b) => Math.max(a, b))
      const weights = scores.map((score) => Math.exp(score - largest))
      const total = weights.reduce((sum, weight) => sum + weight)
      for (let i = 0; i < headSize; i++) {
        const value = cache.width + key + i
        out.data[query + i] = seen.reduce((sum, { page, at }, p) => sum + weights[p]! * page[at + value]!, 0) / total
      }
    }
  }
}

kernels.select = ({ ids, scores }, logits, { noise }) => {
  const size = width(logits)
  for (let row = 0; row < ids.data.length; row++) {
    const own = logits.data.subarray(row * size, (row + 1) * size)
    const noisy = (id: number): number => Math.fround(own[id]! + (noise?.data[row * size + id] ?? 0))
    let [best, largest, total] = [0, -Number.MAX_VALUE, 0]
    for (let id = 0; id < size; id++) {
      if (noisy(id) > noisy(best)) best = id
      largest = Math.max(largest, own[id]!)
    }
    for (const logit of own) total += Math.exp(logit - largest)
    ids.data[row] = best
    scores.data.set([own[best]!, largest + Math.log(total)], row * 2)
  }
}
