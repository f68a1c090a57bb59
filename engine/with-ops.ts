// A backend with some ops replaced: the way to write, and to check, a single kernel.

import type { BackendModule, Ops, Tensor } from './backend.ts'

/** `module`, opened with `replaced` in place of its own ops of these names. Its backend has to be a plain object. */
export function withOps<T extends Tensor>(module: BackendModule<T>, replaced: Partial<Ops<T>>): BackendModule<T> {
  return {
    ...module,
    name: `${module.name} with ${Object.keys(replaced).join(', ')} replaced`,
    async open(options) {
      const backend = await module.open(options)
      return { ...backend, name: this.name, ops: { ...backend.ops, ...replaced } }
    },
  }
}
