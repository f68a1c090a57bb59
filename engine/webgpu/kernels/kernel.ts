// What a kernel is: WGSL with the bindings that all of them share, and the names of its parameters.

/** How a kernel sees the pool: by single numbers, by four, or by bits. */
export type View = 'f32' | 'vec4<f32>' | 'u32'

export interface Kernel {
  /** The names of its parameters, u32 each, in their order. */
  readonly params: readonly string[]
  /** Whether it reads a weight from a buffer of its own. */
  readonly readsWeight: boolean
  readonly code: string
}

/** Words of parameters that a dispatch has, of which a kernel may leave some. */
export const mostParams = 24

/** Invocations of a workgroup. */
export const threads = 64

/** Puts a kernel together. Its body has `main`, which gets `workgroup` and `thread`. */
export function kernel({
  params,
  view,
  weight,
  body,
}: {
  params: readonly string[]
  view: View
  /** The element of a weight's main part. The same words are bound as `scales`, which block types have behind that. */
  weight?: 'f32' | 'vec4<f32>' | 'u32' | undefined
  body: string
}): Kernel {
  const bindings = [
    `struct Params { ${params.map((name) => `${name}: u32`).join(', ')} }`,
    '@group(0) @binding(0) var<uniform> p: Params;',
    '@group(0) @binding(1) var<storage, read> tables: array<u32>;',
    `@group(0) @binding(2) var<storage, read_write> pool: array<${view}>;`,
    ...(weight
      ? [
          `@group(1) @binding(0) var<storage, read> weights: array<${weight}>;`,
          '@group(1) @binding(1) var<storage, read> scales: array<f32>;',
        ]
      : []),
  ]
  return { params, readsWeight: weight !== undefined, code: [...bindings, body].join('\n') }
}

/** The head of `main`, of workgroups of so many invocations. */
export function mainOf(count: number): string {
  return `@compute @workgroup_size(${count})
fn main(@builtin(workgroup_id) workgroup: vec3u, @builtin(local_invocation_index) thread: u32)`
}

export const main: string = mainOf(threads)
