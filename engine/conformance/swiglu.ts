// Cases of `swiglu`: odd sizes, in place, gates far out where exp overflows.

import { accuracyCase } from './accuracy.ts'
import type { Case, CaseSettings } from './case.ts'
import { baseRows, rowCases } from './invariance.ts'
import * as oracle from './oracle.ts'
import { floats } from './random.ts'

interface Input {
  readonly rows: number
  readonly size: number
  readonly into?: 'gate' | 'up'
  readonly far?: true
}

const inputs: readonly Input[] = [
  { rows: 1, size: 1 },
  { rows: 2, size: 3 },
  { rows: 3, size: 5 },
  { rows: 4, size: 7 },
  { rows: 5, size: 33 },
  { rows: 7, size: 65 },
  { rows: 9, size: 1536 },
  { rows: 1, size: 768, into: 'gate' },
  { rows: 5, size: 33, into: 'gate' },
  { rows: 5, size: 33, into: 'up' },
  { rows: 3, size: 130, into: 'up' },
  { rows: 4, size: 65, far: true },
]

/** Gates where a careless sigmoid overflows or divides infinity by itself. */
const farGates = [-1e4, -500, -104, -89, -80, 0, 80, 89, 104, 500, 1e4]

export function swigluCases(settings: CaseSettings): Case[] {
  return [
    ...inputs.map(({ rows, size, into, far }) => {
      const shape = [rows, size]
      const name =
        `[${shape.join(', ')}]${into ? `, written over ${into},` : ''} matches float64` +
        (far ? ', gates from -10000 to 10000 among them' : '')
      return accuracyCase(settings, { op: 'swiglu', name }, (space, random) => {
        const gate = floats(random, rows * size, 2)
        const up = floats(random, rows * size)
        // Three to a row, so that the rows of the smaller ones are not hidden by the largest.
        if (far) for (const [i, value] of farGates.entries()) gate[Math.floor(i / 3) * size + (i % 3) * 7 + 1] = value
        const gateTensor = space.values(gate, shape)
        const upTensor = space.values(up, shape)
        const out = into === 'gate' ? gateTensor : into === 'up' ? upTensor : space.poisoned(shape)
        space.ops.swiglu(out, gateTensor, upTensor)
        return [{ what: 'out', actual: out, expected: oracle.swiglu(gate, up) }]
      })
    }),
    ...[33, 768].flatMap((size) =>
      rowCases(settings, { op: 'swiglu', name: `rows of ${size}` }, (space, random) => {
        const gate = floats(random, baseRows * size, 3)
        const up = floats(random, baseRows * size)
        return (picks) => {
          const shape = [picks.length, size]
          const out = space.unset(shape)
          const picked = (x: Float32Array) => space.values(Float32Array.from(oracle.pickRows(x, picks, size)), shape)
          space.ops.swiglu(out, picked(gate), picked(up))
          return [out]
        }
      }),
    ),
  ]
}
