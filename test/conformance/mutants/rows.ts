// Mistakes in the ops that work on rows alone.

import type { Selection } from 'drafthorse/engine'
import type { F32Tensor, I32Tensor, ReferenceTensor } from 'drafthorse/engine/reference'
import { f32Linear } from './kernels.ts'
import { type Mutant, type ReferenceOps, view, width } from './mutant.ts'

export const rowMutants: readonly Mutant[] = [
  {
    op: 'embed',
    mistake: 'takes the next row of the table for every id but the last',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      embed(out: F32Tensor, ids: Int32Array | I32Tensor, { table }: { table: ReferenceTensor }) {
        const list = ids instanceof Int32Array ? ids : ids.data
        const last = table.shape[0]! - 1
        const next = list.map((id) => Math.min(id + 1, last))
        ops.embed(out, next, { table })
      },
    }),
  },
  {
    op: 'embed',
    mistake: 'leaves the last row unwritten',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      embed(out: F32Tensor, ids: Int32Array | I32Tensor, { table }: { table: ReferenceTensor }) {
        const list = ids instanceof Int32Array ? ids : ids.data
        const rows = list.length - 1
        ops.embed(view(out, 0, [rows, width(out)]), list.slice(0, rows), { table })
      },
    }),
  },
  {
    op: 'rmsNorm',
    mistake: 'leaves epsilon out',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ rmsNorm: (out, x, { weight }) => ops.rmsNorm(out, x, { weight, epsilon: 0 }) }),
  },
  {
    op: 'rmsNorm',
    mistake: 'takes the mean over the whole row instead of each head',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      rmsNorm(out: F32Tensor, x: F32Tensor, { weight, epsilon }: { weight: F32Tensor; epsilon: number }) {
        const data = Float32Array.from({ length: width(x) }, (_, i) => weight.data[i % width(weight)]!)
        ops.rmsNorm(out, x, { weight: { shape: [width(x)], dtype: 'f32', data }, epsilon })
      },
    }),
  },
  {
    op: 'rmsNorm',
    mistake: 'takes the mean over all rows of the pass',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      rmsNorm(out: F32Tensor, x: F32Tensor, { weight, epsilon }: { weight: F32Tensor; epsilon: number }) {
        const data = Float32Array.from({ length: x.data.length }, (_, i) => weight.data[i % width(weight)]!)
        ops.rmsNorm(view(out, 0, [1, data.length]), view(x, 0, [1, data.length]), {
          weight: { shape: [data.length], dtype: 'f32', data },
          epsilon,
        })
      },
    }),
  },
  {
    op: 'linear',
    mistake: 'drops the bias',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ linear: (out, x, options) => ops.linear(out, x, { ...options, bias: undefined }) }),
  },
  {
    op: 'linear',
    mistake: 'ignores the residual',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ linear: (out, x, options) => ops.linear(out, x, { ...options, residual: undefined }) }),
  },
  {
    op: 'linear',
    mistake: 'forgets the residual when it is out',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      linear: (out, x, options) =>
        ops.linear(out, x, { ...options, residual: options.residual === out ? undefined : options.residual }),
    }),
  },
  {
    op: 'linear',
    mistake: 'drops what is left over when it takes four values at a time',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      linear: f32Linear(ops, (sum, product, i, size) => (i < size - (size % 4) ? sum + product : sum)),
    }),
  },
  {
    op: 'linear',
    mistake: 'sums up in bf16',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ linear: f32Linear(ops, (sum, product) => toBf16(sum + product)) }),
  },
  {
    op: 'linear',
    mistake: 'quantises activations to 8 bits',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      linear(out: F32Tensor, x: F32Tensor, options: Parameters<ReferenceOps['linear']>[2]) {
        const data = x.data.slice()
        for (let start = 0; start < data.length; start += width(x)) {
          const row = data.subarray(start, start + width(x))
          const scale = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
          if (scale > 0) for (const [i, value] of row.entries()) row[i] = Math.round(value / scale) * scale
        }
        ops.linear(out, { ...x, data }, options)
      },
    }),
  },
  {
    op: 'linear',
    mistake: 'sums from the other end when there are several rows',
    caughtBy: 'invariance only',
    mutate: (ops) => ({
      linear: f32Linear(ops, (sum, product) => Math.fround(sum + product), 'turned for several rows'),
    }),
  },
  {
    op: 'swiglu',
    mistake: 'takes gate and up the wrong way round',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ swiglu: (out, gate, up) => ops.swiglu(out, up, gate) }),
  },
  {
    op: 'swiglu',
    mistake: 'computes the sigmoid as exp(x) / (1 + exp(x)), which is NaN far out',
    caughtBy: 'accuracy',
    mutate: () => ({
      swiglu(out: F32Tensor, gate: F32Tensor, up: F32Tensor) {
        for (let i = 0; i < out.data.length; i++) {
          const power = Math.fround(Math.exp(gate.data[i]!))
          out.data[i] = ((gate.data[i]! * power) / (1 + power)) * up.data[i]!
        }
      },
    }),
  },
  {
    op: 'swiglu',
    mistake: 'gives other bits every time',
    caughtBy: 'invariance only',
    mutate: (ops) => {
      let call = 0
      return {
        swiglu(out: F32Tensor, gate: F32Tensor, up: F32Tensor) {
          ops.swiglu(out, gate, up)
          call++
          for (let i = 0; i < out.data.length; i++) out.data[i]! *= 1 + (call % 3) * 1.2e-7
        },
      }
    },
  },
  {
    op: 'copyRows',
    mistake: 'ignores at',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ copyRows: (out, x, { rows }) => ops.copyRows(out, x, { rows, at: 0 }) }),
  },
  {
    op: 'copyRows',
    mistake: 'clears the other rows',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      copyRows(out: F32Tensor, x: F32Tensor, options: { rows: readonly number[]; at: number }) {
        out.data.fill(0)
        ops.copyRows(out, x, options)
      },
    }),
  },
  {
    op: 'copyRows',
    mistake: 'loses the sign of zero when there are several rows',
    caughtBy: 'invariance only',
    mutate: (ops) => ({
      copyRows(out: F32Tensor, x: F32Tensor, options: { rows: readonly number[]; at: number }) {
        ops.copyRows(out, x, options)
        if (options.rows.length > 1) for (let i = 0; i < out.data.length; i++) out.data[i]! += 0
      },
    }),
  },
  {
    op: 'select',
    mistake: 'takes the highest id on ties',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      select(out: Selection<I32Tensor | F32Tensor>, logits: F32Tensor, { noise }: { noise?: F32Tensor | undefined }) {
        ops.select(out, logits, { noise })
        const size = width(logits)
        const value = (i: number) => Math.fround(logits.data[i]! + (noise?.data[i] ?? 0))
        for (const [row, id] of out.ids.data.entries()) {
          for (let i = id; i < size; i++) if (value(row * size + i) === value(row * size + id)) out.ids.data[row] = i
        }
      },
    }),
  },
  {
    op: 'select',
    mistake: 'ignores the noise',
    caughtBy: 'accuracy',
    mutate: (ops) => ({ select: (out, logits) => ops.select(out, logits, {}) }),
  },
  {
    op: 'select',
    mistake: 'adds the noise to the logit that it reports',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      select(out: Selection<I32Tensor | F32Tensor>, logits: F32Tensor, { noise }: { noise?: F32Tensor | undefined }) {
        ops.select(out, logits, { noise })
        for (const [row, id] of out.ids.data.entries()) {
          out.scores.data[row * 2]! += noise?.data[row * width(logits) + id] ?? 0
        }
      },
    }),
  },
  {
    op: 'select',
    mistake: 'sums up exponentials as they are, which overflow',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      select(out: Selection<I32Tensor | F32Tensor>, logits: F32Tensor, options: { noise?: F32Tensor | undefined }) {
        ops.select(out, logits, options)
        for (const row of out.ids.data.keys()) {
          let total = 0
          for (let i = 0; i < width(logits); i++) {
            total = Math.fround(total + Math.exp(logits.data[row * width(logits) + i]!))
          }
          out.scores.data[row * 2 + 1] = Math.log(total)
        }
      },
    }),
  },
  {
    op: 'select',
    mistake: 'takes minus infinity from itself where a row has nothing else',
    caughtBy: 'accuracy',
    mutate: (ops) => ({
      select(out: Selection<I32Tensor | F32Tensor>, logits: F32Tensor, options: { noise?: F32Tensor | undefined }) {
        ops.select(out, logits, options)
        const sums = out.scores.data
        for (const [i, sum] of sums.entries()) if (i % 2 === 1 && sum === Number.NEGATIVE_INFINITY) sums[i] = sum - sum
      },
    }),
  },
]

const word = new Float32Array(1)
const bits = new Uint32Array(word.buffer)

function toBf16(value: number): number {
  word[0] = value
  bits[0] = (bits[0]! + 0x8000) & 0xffff0000
  return word[0]
}
