// Browsers have no cache folder of the user's. Chosen by the package's "#skip-cache" import where a bundler builds for browsers;
// skip-cache-node.ts is its counterpart.

import { ArgumentError } from '../engine/errors.ts'

/** Nothing is kept. */
export async function readCached(_id: string): Promise<{ path: string; bytes: Uint8Array } | undefined> {
  return undefined
}

/** Always throws {@link ArgumentError}. */
export async function writeCached(_id: string, _text: string): Promise<string> {
  throw new ArgumentError(
    'a browser has no cache folder to keep a skip set in; keep it where the page has its own data',
  )
}
