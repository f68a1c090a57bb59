// Sums and maxima over the invocations of a workgroup, in one order: of parts first, as many as each has invocations.
// Subgroups would be quicker, but have no order.

/** Invocations of a part, and parts, in a workgroup of 64 or 16. */
export function sideOf(threads: number): number {
  return Math.sqrt(threads)
}

/** A function `name(value, thread)` that gives every invocation the same; may be called several times. */
function over(name: string, threads: number, combine: (a: string, b: string) => string): string {
  const side = sideOf(threads)
  return `
var<workgroup> ${name}Values: array<f32, ${threads}>;
var<workgroup> ${name}Parts: array<f32, ${side}>;
fn ${name}(value: f32, thread: u32) -> f32 {
  ${name}Values[thread] = value;
  workgroupBarrier();
  if (thread < ${side}u) {
    var found = ${name}Values[${side}u * thread];
    for (var i = 1u; i < ${side}u; i++) {
      let other = ${name}Values[${side}u * thread + i];
      found = ${combine('found', 'other')};
    }
    ${name}Parts[thread] = found;
  }
  workgroupBarrier();
  var all = ${name}Parts[0];
  for (var i = 1u; i < ${side}u; i++) {
    let other = ${name}Parts[i];
    all = ${combine('all', 'other')};
  }
  return all;
}`
}

export function sumOfAll(threads: number): string {
  return over('sumOfAll', threads, (a, b) => `${a} + ${b}`)
}

export function largestOfAll(threads: number): string {
  return over('largestOfAll', threads, (a, b) => `max(${a}, ${b})`)
}
