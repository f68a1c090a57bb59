// The ten ops, as commands.

import type { Ops, Segments } from '../backend.ts'
import { lineage } from '../cache-runs.ts'
import { isBlockType } from '../dtype.ts'
import { type Commands, float, type Stamped } from './commands.ts'
import type { Heap } from './heap.ts'
import { createRowTables, type RowTables, reserve, rowBytes, runsOf, type WasmCache } from './kv-cache.ts'
import { typeNumbers } from './pack.ts'
import type { Recorded } from './runner.ts'
import { type WasmTensor, width } from './tensor.ts'

export interface Recorder extends Recorded {
  readonly ops: Ops<WasmTensor>
}

/** Logits of a block, and words that say what is known of one, as in `kernels/select.ts`. */
const [selectBlock, selectWords] = [1024, 6]

/** What products need for those that are computed together, as in `kernels/linear.ts`. */
const leastScratch = 192

/** Heads that `kernels/attention.ts` computes together. */
const attendedTogether = 3

/** The place of an optional tensor. */
const place = (tensor: WasmTensor | undefined): number => tensor?.address ?? 0
const given = (...tensors: (WasmTensor | undefined)[]): WasmTensor[] => tensors.filter((tensor) => tensor !== undefined)
const typeNumber = (weight: WasmTensor): number => typeNumbers[weight.dtype]! // openBackend checks the type

export function createRecorder(heap: Heap, commands: Commands): Recorder {
  const tables: RowTables = createRowTables(heap, commands)
  let scratchBytes = leastScratch
  let products = 0

  const ops: Ops<WasmTensor> = {
    embed(out, ids, { table }) {
      const inData = ids instanceof Int32Array
      const uses = { reads: inData ? [table] : [table, ids], writes: [out] }
      const where = inData ? commands.data(ids) : ids.address
      const [rows, size] = [out.shape[0]!, width(out)]
      commands.add('embed', uses, [out.address, where, inData ? 1 : 0, table.address, typeNumber(table), rows, size])
    },

    rmsNorm(out, x, { weight, epsilon }) {
      const size = width(weight)
      const runs = out.shape[0]! * (width(out) / size)
      const fields = [out.address, x.address, weight.address, runs, size, float(epsilon)]
      commands.add('rmsNorm', { reads: [x, weight], writes: [out] }, fields)
    },

    linear(out, x, { weight, bias, residual }) {
      // Each thread has its own copy of x in 16 bits, with the scale of each row and its sums by blocks.
      if (isBlockType(weight.dtype)) {
        const blocks = width(x) / 32
        scratchBytes = Math.max(scratchBytes, leastScratch + out.shape[0]! * (width(x) * 2 + 4 + blocks * 4))
      }
      products += out.shape[0]! * width(x) * width(out)
      commands.add('linear', { reads: given(x, weight, bias, residual), writes: [out] }, [
        out.address,
        x.address,
        weight.address,
        typeNumber(weight),
        place(bias),
        place(residual),
        out.shape[0]!,
        width(x),
        width(out),
      ])
    },

    rope(out, x, { cos, sin, segments }) {
      const half = width(cos)
      commands.add('rope', { reads: [x, cos, sin], writes: [out] }, [
        out.address,
        x.address,
        cos.address,
        sin.address,
        tables.of(own(segments)),
        out.shape[0]!,
        width(x) / (2 * half),
        half,
      ])
    },

    storeKV(keys, values, { layer, segments }) {
      const caches = own(segments).map(({ cache }) => cache)
      commands.add('storeKV', { reads: [keys, values], writes: caches }, [
        keys.address,
        values.address,
        tables.of(own(segments)),
        keys.shape[0]!,
        layer,
        width(keys) * 4,
      ])
    },

    attention(out, queries, { layer, segments, headSize, scale, window = 0 }) {
      if (segments.length === 0) return
      const caches = own(segments).flatMap(({ cache }): Stamped[] => lineage(cache))
      const end = segments.reduce((most, { start, count }) => Math.max(most, start + count), 0)
      scratchBytes = Math.max(scratchBytes, leastScratch + attendedTogether * (end + 8) * 4)
      products += 2 * out.shape[0]! * width(queries) * end
      const { cache } = own(segments)[0]!
      commands.add('attention', { reads: [queries, ...caches], writes: [out] }, [
        out.address,
        queries.address,
        tables.of(own(segments)),
        out.shape[0]!,
        width(queries) / headSize,
        cache.width / headSize,
        headSize,
        layer,
        rowBytes(cache),
        Math.min(window, 2 ** 31),
        float(scale),
      ])
    },

    swiglu(out, gate, up) {
      const fields = [out.address, gate.address, up.address, out.shape[0]! * width(out)]
      commands.add('swiglu', { reads: [gate, up], writes: [out] }, fields)
    },

    copyRows(out, x, { rows, at }) {
      const bytes = width(x) * 4
      const fields = [out.address + at * bytes, x.address, commands.data(rows), rows.length, bytes]
      commands.add('copyRows', { reads: [x], writes: [out] }, fields)
    },

    copyKV(to, from, { from: start, to: end }) {
      const [out, source] = [to as WasmCache, from as WasmCache] // caches are made here only
      if (start === end) return
      reserve(heap, out, end)
      reserve(heap, source, end)
      commands.add('copyKV', { reads: lineage(source), writes: [out] }, [
        commands.data(runsOf(out, end)),
        commands.data(runsOf(source, end)),
        2 * out.layers,
        start,
        end,
        rowBytes(out),
      ])
    },

    select({ ids, scores }, logits, { noise }) {
      const [rows, size] = [logits.shape[0]!, width(logits)]
      const blocks = {
        place: commands.room(rows * Math.ceil(size / selectBlock) * selectWords),
        readAt: 0,
        writtenAt: 0,
      }
      const fields = [ids.address, scores.address, logits.address, place(noise), blocks.place, rows, size]
      commands.add('selectInBlocks', { reads: given(logits, noise), writes: [blocks] }, fields)
      commands.add('selectInRows', { reads: [blocks, logits], writes: [ids, scores] }, fields)
    },
  }

  return {
    ops,
    commands,
    get scratchBytes() {
      return scratchBytes
    },
    get products() {
      return products
    },
    take(out) {
      tables.forget()
      products = 0
      return commands.take(out)
    },
  }
}

/** Segments hold caches of this backend only, which openBackend checks. */
function own(segments: Segments): Segments<WasmCache> {
  return segments as Segments<WasmCache>
}
