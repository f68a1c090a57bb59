// A backend with some ops replaced: the way to write, and to check, a single kernel.

import type { BackendModule, Ops, Tensor } from './backend.ts'
import { ArgumentError } from './errors.ts'
import { delegate, expectModule, opNames } from './members.ts'

/**
 * `module`, opened with `replaced` in place of its own ops of these names. Throws {@link ArgumentError} for a name that
 * is no op's and for an op that is no function.
 */
export function withOps<T extends Tensor>(module: BackendModule<T>, replaced: Partial<Ops<T>>): BackendModule<T> {
  expectModule(module)
  for (const [name, kernel] of Object.entries(replaced)) {
    if (!opNames.some((op) => op === name)) {
      throw new ArgumentError(`withOps: there is no op "${name}"; there is ${opNames.join(', ')}`)
    }
    if (typeof kernel !== 'function')
      throw new ArgumentError(`withOps: ${name} is ${typeof kernel}, expected a function`)
  }
  const name = `${module.name} with ${Object.keys(replaced).join(', ')} replaced`
  return {
    name,
    unavailable: async () => module.unavailable?.(),
    async open(options) {
      const backend = delegate(await module.open(options))
      return { ...backend, name, ops: { ...backend.ops, ...replaced } }
    },
  }
}
