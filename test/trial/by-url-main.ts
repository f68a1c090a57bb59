// The page of by-url.test.ts: loads a model by its address, with Drafthorse as a bundler builds it, and tells a few tokens.
import { generate, loadModel } from 'drafthorse'

export interface Told {
  readonly tokens: readonly number[]
  /** Of the progress events. */
  readonly loaded: readonly number[]
  readonly total: number
}

declare global {
  var tellFrom: (address: string, backend: string) => Promise<Told>
}

globalThis.tellFrom = async (address, backend) => {
  const loaded: number[] = []
  let total = 0
  await using model = await loadModel(address, {
    backend,
    dtype: 'f32',
    onProgress(progress) {
      loaded.push(progress.loaded)
      total = progress.total
    },
  })
  const { tokens } = await generate(model, 'Once upon a time', { maxNewTokens: 12 }).result
  return { tokens, loaded, total }
}
