// Sums and maxima over the invocations of a workgroup: by eights, in one order. Subgroups would be quicker, but have none.

/** A function `name(value, thread)` that gives every invocation the same; may be called several times. */
function over(name: string, combine: (a: string, b: string) => string): string {
  return `
var<workgroup> ${name}Parts: array<f32, 64>;
var<workgroup> ${name}Eighths: array<f32, 8>;
fn ${name}(value: f32, thread: u32) -> f32 {
  ${name}Parts[thread] = value;
  workgroupBarrier();
  if (thread < 8u) {
    var found = ${name}Parts[8u * thread];
    for (var i = 1u; i < 8u; i++) {
      let other = ${name}Parts[8u * thread + i];
      found = ${combine('found', 'other')};
    }
    ${name}Eighths[thread] = found;
  }
  workgroupBarrier();
  var all = ${name}Eighths[0];
  for (var i = 1u; i < 8u; i++) {
    let other = ${name}Eighths[i];
    all = ${combine('all', 'other')};
  }
  return all;
}`
}

export const sumOfAll: string = over('sumOfAll', (a, b) => `${a} + ${b}`)
export const largestOfAll: string = over('largestOfAll', (a, b) => `max(${a}, ${b})`)
