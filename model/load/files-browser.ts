// Browsers have no file system to open a path in. Chosen by the package's "#files" import where a bundler builds for
// browsers; files-node.ts is its counterpart.

import { NotFoundError } from '../../engine/errors.ts'
import type { ModelSink } from '../save/sink.ts'
import { embeddedName } from './embedded.ts'
import type { ModelFiles } from './files.ts'

/** Always throws {@link NotFoundError}: it says how to hand the files over instead. */
export async function openFiles(path: string | URL): Promise<ModelFiles> {
  throw new NotFoundError(
    `cannot open ${JSON.stringify(String(path))}: a browser has no paths. Fetch the model's files and pass ` +
      "memoryFiles(name, { 'config.json': bytes, ... }) of drafthorse/model",
  )
}

/** Always throws {@link NotFoundError}: a bundle does not hold the embedded model. */
export function openEmbedded(): Promise<ModelFiles> {
  return openFiles(embeddedName)
}

/** Always throws {@link NotFoundError}: it says how to take the files instead. */
export async function openOutput(path: string | URL): Promise<ModelSink> {
  throw new NotFoundError(
    `cannot write ${JSON.stringify(String(path))}: a browser has no paths. Pass memorySink(name) of drafthorse/model`,
  )
}
