// In a browser a path is an address. Chosen by the package's "#files" import where a bundler builds for browsers;
// files-node.ts is its counterpart.

import { NotFoundError } from '../../engine/errors.ts'
import type { ModelSink } from '../save/sink.ts'
import { embeddedName } from './embedded.ts'
import type { ModelFiles } from './files.ts'
import { urlFiles } from './files-url.ts'

/** The files at an address, which may be relative to the page's. Throws {@link NotFoundError} for what is no address. */
export async function openFiles(path: string | URL): Promise<ModelFiles> {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href
  if (URL.canParse(String(path), base)) return urlFiles(new URL(path, base))
  throw new NotFoundError(`${JSON.stringify(String(path))} is not an address to load a model from`)
}

/** Always throws {@link NotFoundError}: a bundle does not hold the embedded model. */
export async function openEmbedded(): Promise<ModelFiles> {
  throw new NotFoundError(
    `a page has no embedded model: put the files drafthorse/models/${embeddedName}/* beside it, and load their folder by its address`,
  )
}

/** Always throws {@link NotFoundError}: it says how to take the files instead. */
export async function openOutput(path: string | URL): Promise<ModelSink> {
  throw new NotFoundError(
    `cannot write ${JSON.stringify(String(path))}: a browser has no paths. Pass memorySink(name) of drafthorse/model`,
  )
}
