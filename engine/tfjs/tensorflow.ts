// The operations on tfjs-node, each as one call of TensorFlow's own op. The public functions of TensorFlow.js cost up to
// three times as much here: they copy axes and shapes to TensorFlow with every call, and know only the batched matMul.

import { type Eager, neverSingle } from './eager.ts'
import type { NodeBackend, OpAttribute, Tf, TfTensor } from './tf.ts'

/** Tensors of axes and shapes that are kept, those used last; there are not many more in a generation. */
const keptConstants = 1024

export interface TensorflowEager {
  readonly eager: Eager
  dispose(): void
}

export function tensorflowEager(tf: Tf, backend: NodeBackend): TensorflowEager {
  const { TF_FLOAT, TF_INT32, TF_ATTR_TYPE, TF_ATTR_BOOL, TF_ATTR_INT } = backend.binding
  const constants = new Map<string, TfTensor>()

  function keep(key: string, values: readonly number[], shape: readonly number[]): TfTensor {
    const known = constants.get(key)
    if (known) {
      // Last in the order from now on, so that the next one to be freed is never one of the call that is being made.
      constants.delete(key)
      constants.set(key, known)
      return known
    }
    const oldest = constants.size >= keptConstants ? constants.keys().next().value : undefined
    if (oldest !== undefined) {
      constants.get(oldest)?.dispose()
      constants.delete(oldest)
    }
    const made = tf.tensor(Int32Array.from(values), shape, 'int32')
    constants.set(key, made)
    return made
  }
  const list = (values: readonly number[]): TfTensor => keep(values.join(), values, [values.length])
  const scalar = (value: number): TfTensor => keep(`scalar ${value}`, [value], [])

  const type = (name: string, value: number): OpAttribute => ({ name, type: TF_ATTR_TYPE, value })
  const flag = (name: string, value: boolean): OpAttribute => ({ name, type: TF_ATTR_BOOL, value })
  const float = [type('T', TF_FLOAT)]
  const integer = [type('T', TF_INT32)]
  const typeOf = (x: TfTensor): OpAttribute[] => (x.dtype === 'int32' ? integer : float)

  const unary = (name: string) => (x: TfTensor) => backend.executeSingleOutput(name, float, [x])
  const binary = (name: string) => (a: TfTensor, b: TfTensor) => backend.executeSingleOutput(name, typeOf(a), [a, b])
  const reduction = (name: string) => {
    const attributes = [flag('keep_dims', true), type('T', TF_FLOAT), type('Tidx', TF_INT32)]
    return (x: TfTensor) => backend.executeSingleOutput(name, attributes, [x, list([x.shape.length - 1])])
  }
  const product = (name: string, attributes: readonly OpAttribute[]) => (a: TfTensor, b: TfTensor) =>
    backend.executeSingleOutput(name, attributes, [a, b])
  const batched = (transposed: boolean) =>
    product('BatchMatMulV2', [type('T', TF_FLOAT), flag('adj_x', false), flag('adj_y', transposed)])
  // On CPUs the third version is not taken over by oneDNN, which wakes its threads for the smallest product (70 us), and
  // whose kernels go by the number of rows where `b` has one matrix only.
  const rowProduct = (transposed: boolean) => {
    if (backend.isUsingGpuDevice) return batched(transposed)
    const types = [type('Ta', TF_FLOAT), type('Tb', TF_FLOAT), type('Tout', TF_FLOAT)]
    const byRow = product('BatchMatMulV3', [...types, flag('adj_x', false), flag('adj_y', transposed)])
    return neverSingle(byRow, { concat, slice })
  }

  const attributes = {
    argMax: [type('T', TF_FLOAT), type('Tidx', TF_INT32), type('output_type', TF_INT32)],
    transpose: [type('T', TF_FLOAT), type('Tperm', TF_INT32)],
    scatter: [type('T', TF_FLOAT), type('Tindices', TF_INT32)],
    gather: [type('Tparams', TF_FLOAT), type('Tindices', TF_INT32), type('Taxis', TF_INT32)],
  }

  const concat: Eager['concat'] = (parts, axis) =>
    backend.executeSingleOutput(
      'ConcatV2',
      [{ name: 'N', type: TF_ATTR_INT, value: parts.length }, ...typeOf(parts[0]!), type('Tidx', TF_INT32)],
      [...parts, scalar(axis)],
    )
  const slice: Eager['slice'] = (x, begin, size) =>
    backend.executeSingleOutput('Slice', [...typeOf(x), type('Index', TF_INT32)], [x, list(begin), list(size)])

  const eager: Eager = {
    broadcasts: true,
    scatters: true,
    dearProducts: false,
    add: binary('AddV2'),
    sub: binary('Sub'),
    mul: binary('Mul'),
    div: binary('RealDiv'),
    square: unary('Square'),
    sqrt: unary('Sqrt'),
    maximum: binary('Maximum'),
    exp: unary('Exp'),
    log: unary('Log'),
    sigmoid: unary('Sigmoid'),
    sum: reduction('Sum'),
    mean: reduction('Mean'),
    max: reduction('Max'),
    argMax: (x) => backend.executeSingleOutput('ArgMax', attributes.argMax, [x, scalar(x.shape.length - 1)]),
    matMul: batched(false),
    matMulTransposed: batched(true),
    smallMatMulTransposed: product('MatMul', [
      type('T', TF_FLOAT),
      flag('transpose_a', false),
      flag('transpose_b', true),
    ]),
    rowMatMul: rowProduct(false),
    rowMatMulTransposed: rowProduct(true),
    reshape: (x, shape) =>
      backend.executeSingleOutput('Reshape', [...typeOf(x), type('Tshape', TF_INT32)], [x, list(shape)]),
    transpose: (x, order) => backend.executeSingleOutput('Transpose', attributes.transpose, [x, list(order)]),
    concat,
    slice,
    gather: (x, indices, axis) =>
      backend.executeSingleOutput('GatherV2', attributes.gather, [x, indices, scalar(axis)]),
    scatter: (x, indices, updates) =>
      backend.executeSingleOutput('TensorScatterUpdate', attributes.scatter, [x, indices, updates]),
  }
  return {
    eager,
    dispose() {
      for (const tensor of constants.values()) tensor.dispose()
      constants.clear()
    },
  }
}
