// The tensor engine: the contract, the number types and the errors.

export type {
  Arena,
  Backend,
  BackendModule,
  Capabilities,
  HostArray,
  KVCache,
  MemoryUse,
  OpenOptions,
  OpName,
  Ops,
  Segment,
  Segments,
  Selection,
  Tensor,
  WeightSpec,
} from './backend.ts'
export type { BlockLayout, DType, StoredDType, WeightDType } from './dtype.ts'
export { blockLayouts, byteSize, elementCount } from './dtype.ts'
export * from './errors.ts'
export { type BackendListing, listBackends, openBackend } from './open.ts'
export { withOps } from './with-ops.ts'
