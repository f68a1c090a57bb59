// The wasm backend: WebAssembly SIMD kernels, on threads that share one memory.

import { createModule, type WasmModule } from './module.ts'

export { type Limits, measureLimits } from './limits.ts'
export type { Counts, WasmModule } from './module.ts'
export type { WasmTensor } from './tensor.ts'

export const wasm: WasmModule = createModule()
