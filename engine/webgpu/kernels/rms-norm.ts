// Root mean square normalisation (Zhang and Sennrich 2019): a workgroup for each run of the weight's size.

import { type Kernel, kernel, mainOf } from './kernel.ts'
import { sumOfAll } from './reduce.ts'

const params = ['out', 'x', 'weight', 'units', 'size', 'runs', 'epsilon']

/** Workgroups are `[runs of a row, rows]`; `fours`: where the size comes in fours. */
export function rmsNorm({ fours, threads }: { fours: boolean; threads: number }): Kernel {
  const scale = fours ? ' / 4u' : ''
  const body = `
${sumOfAll(threads)}

${mainOf(threads)} {
  let start = (workgroup.y * p.runs + workgroup.x) * p.units;
  let x = p.x${scale} + start;
  var squares = ${fours ? 'vec4f(0.0)' : '0.0'};
  for (var i = thread; i < p.units; i += ${threads}u) {
    let value = pool[x + i];
    squares = ${fours ? 'fma4' : 'fma1'}(value, value, squares);
  }
  let sum = sumOfAll(${fours ? '(squares.x + squares.y) + (squares.z + squares.w)' : 'squares'}, thread);
  let scale = 1.0 / sqrt(sum / f32(p.size) + bitcast<f32>(p.epsilon));
  for (var i = thread; i < p.units; i += ${threads}u) {
    pool[p.out${scale} + start + i] = pool[x + i] * scale * pool[p.weight${scale} + i];
  }
}`
  return kernel({ params, view: fours ? 'vec4<f32>' : 'f32', body })
}
