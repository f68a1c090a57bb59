// A program of its own: opens tfjs:tensorflow with numbers of threads, one after the other, and tells in JSON what it got
// and how the embedded model goes on.
import { generate, loadModel } from 'drafthorse'
import { openTfjs } from './peers.ts'

/** What the program writes to standard output. */
export interface Told {
  readonly version: string
  readonly threads: readonly number[]
  readonly devices: readonly string[]
  readonly tokens: readonly number[]
}

async function tell(wanted: { threads: readonly number[]; tokens: number }): Promise<Told> {
  const threads: number[] = []
  const devices: string[] = []
  let tokens: readonly number[] = []
  for (const asked of wanted.threads) {
    const backend = await openTfjs('tfjs:tensorflow', { threads: asked })
    threads.push(backend.capabilities.threads)
    devices.push(backend.capabilities.device)
    if (wanted.tokens > 0) {
      await using model = await loadModel('stories', { backend })
      const options = { maxNewTokens: wanted.tokens, ignoreEos: true }
      tokens = (await generate(model, 'Once upon a time', options).result).tokens
    }
    await backend.dispose()
  }
  return { version: process.version, threads, devices, tokens }
}

tell(JSON.parse(process.argv[2]!)).then((told) => process.stdout.write(JSON.stringify(told)))
