// What a kernel sees of GPU.js, for the type checker.
//
// How these kernels are written, and kept readable for GPU.js. Every other file here is one kernel: a plain `function` that
// computes the one value at column `this.thread.x` of row `this.thread.y`, its output being `[rows, width]`. GPU.js takes the
// source text of that function, parses it, and writes it anew as JavaScript, WebAssembly, WGSL or GLSL. Hence:
// - No closures, no arrow functions, no imports that run: what a kernel needs comes as an argument (another one in each call)
//   or in `this.constants` (a part of the program, so sizes are there). Types are stripped and leave nothing behind.
// - Loops that begin at a literal 0, so that the counter is an integer in every language.
// - `floor((a + 0.5) / b)` for whole numbers: the division of some GPUs falls a little short.
// - In a loop variables are declared outside of every `if`: its WebGL loses those inside.
// - One `return` in the end of each path, and no value that is not a number.
// - The text must reach GPU.js as it is. The compiler of this package keeps it. Where a bundler minifies, or adds helpers
//   such as those of esbuild's `keepNames`, exclude these files, or hand GPU.js their text: docs/backends.md has a plugin
//   of ten lines for Vite that does so.

export interface KernelThis<C = unknown> {
  /** Column and row of the value to compute. */
  readonly thread: { readonly x: number; readonly y: number }
  readonly constants: C
}

/** Rows of numbers. */
export type Rows = readonly (readonly number[])[]
