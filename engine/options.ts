// Options come from JavaScript too, where anything can be passed.

import { ArgumentError } from './errors.ts'

/** Throws {@link ArgumentError} unless these are options: an object. */
export function expectOptions(what: string, options: unknown): asserts options is object {
  if (typeof options === 'object' && options !== null) return
  throw new ArgumentError(`the options of ${what} are ${String(options)}, expected an object`)
}
