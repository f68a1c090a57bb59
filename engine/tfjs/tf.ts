// The part of TensorFlow.js that this backend calls, typed here because its packages are optional and may not be there.

/** A tensor of TensorFlow.js: immutable, freed by hand. */
export interface TfTensor {
  readonly shape: readonly number[]
  readonly dtype: string
  data(): Promise<Float32Array | Int32Array | Uint8Array>
  dataSync(): Float32Array | Int32Array | Uint8Array
  dispose(): void
}

/** What `@tensorflow/tfjs-core` and `@tensorflow/tfjs-node` export. */
export interface Tf {
  readonly version_core?: string
  tensor(values: Float32Array | Int32Array, shape: readonly number[], dtype: 'float32' | 'int32'): TfTensor
  add(a: TfTensor, b: TfTensor): TfTensor
  sub(a: TfTensor, b: TfTensor): TfTensor
  mul(a: TfTensor, b: TfTensor): TfTensor
  div(a: TfTensor, b: TfTensor): TfTensor
  square(x: TfTensor): TfTensor
  sqrt(x: TfTensor): TfTensor
  maximum(a: TfTensor, b: TfTensor): TfTensor
  exp(x: TfTensor): TfTensor
  log(x: TfTensor): TfTensor
  sigmoid(x: TfTensor): TfTensor
  sum(x: TfTensor, axis: number, keepDims: boolean): TfTensor
  mean(x: TfTensor, axis: number, keepDims: boolean): TfTensor
  max(x: TfTensor, axis: number, keepDims: boolean): TfTensor
  argMax(x: TfTensor, axis: number): TfTensor
  equal(a: TfTensor, b: TfTensor): TfTensor
  cast(x: TfTensor, dtype: 'int32'): TfTensor
  matMul(a: TfTensor, b: TfTensor, transposeA: boolean, transposeB: boolean): TfTensor
  reshape(x: TfTensor, shape: readonly number[]): TfTensor
  transpose(x: TfTensor, order: readonly number[]): TfTensor
  concat(parts: readonly TfTensor[], axis: number): TfTensor
  slice(x: TfTensor, begin: readonly number[], size: readonly number[]): TfTensor
  gather(x: TfTensor, indices: TfTensor, axis: number): TfTensor
  tensorScatterUpdate(x: TfTensor, indices: TfTensor, updates: TfTensor): TfTensor
  setBackend(name: string): Promise<boolean>
  /** `undefined` as long as none was set. */
  getBackend(): string | undefined
  ready(): Promise<void>
  backend(): unknown
  memory(): { readonly numTensors: number; readonly numBytes: number }
  enableProdMode(): void
  env(): {
    set(flag: string, value: number | boolean): void
    getBool(flag: string): boolean
    getNumber(flag: string): number
  }
  readonly io: {
    /** The tensors whose bytes follow each other in the buffers, cut anywhere, by name. */
    decodeWeights(buffers: ArrayBuffer[], specs: readonly WeightSpec[]): Readonly<Record<string, TfTensor>>
  }
}

/** How a weight is written in TensorFlow.js's own form: as f32, as f16, or as whole numbers n for `n * scale + min`. */
export interface WeightSpec {
  readonly name: string
  readonly shape: readonly number[]
  readonly dtype: 'float32'
  readonly quantization?:
    | { readonly dtype: 'float16' }
    | { readonly dtype: 'uint8' | 'uint16'; readonly scale: number; readonly min: number }
}

/** The backend object of tfjs-node, which runs any op of TensorFlow by name. */
export interface NodeBackend {
  readonly isGPUPackage: boolean
  readonly isUsingGpuDevice: boolean
  readonly binding: {
    readonly TF_Version: string
    readonly TF_FLOAT: number
    readonly TF_INT32: number
    readonly TF_ATTR_TYPE: number
    readonly TF_ATTR_BOOL: number
    readonly TF_ATTR_INT: number
  }
  executeSingleOutput(name: string, attributes: readonly OpAttribute[], inputs: readonly TfTensor[]): TfTensor
}

export interface OpAttribute {
  readonly name: string
  readonly type: number
  readonly value: number | boolean
}
