// The files of the embedded model, which the bundler puts beside the page: fetched into memory, with progress.

import { type ModelFiles, memoryFiles } from 'drafthorse/model'
import config from 'drafthorse/models/stories/config.json?url'
import generationConfig from 'drafthorse/models/stories/generation_config.json?url'
import weights from 'drafthorse/models/stories/model.safetensors?url'
import skipLayers from 'drafthorse/models/stories/skip_layers.json?url'
import tokenizer from 'drafthorse/models/stories/tokenizer.json?url'
import tokenizerConfig from 'drafthorse/models/stories/tokenizer_config.json?url'

const addresses: Readonly<Record<string, string>> = {
  'config.json': config,
  'generation_config.json': generationConfig,
  'model.safetensors': weights,
  'skip_layers.json': skipLayers,
  'tokenizer.json': tokenizer,
  'tokenizer_config.json': tokenizerConfig,
}

/** Bytes of the weights, which are nearly all; `total` is undefined where the server does not tell it. */
export interface FetchProgress {
  readonly loaded: number
  readonly total: number | undefined
}

/** Throws an error that names the file which could not be fetched. */
export async function fetchModel(options: {
  signal: AbortSignal
  onProgress: (progress: FetchProgress) => void
}): Promise<ModelFiles> {
  const files = await Promise.all(
    Object.entries(addresses).map(async ([name, address]) => {
      const response = await request(name, address, options.signal)
      const onProgress = address === weights ? options.onProgress : () => {}
      return [name, await read(name, response, onProgress)] as const
    }),
  )
  return memoryFiles('stories', Object.fromEntries(files))
}

async function request(name: string, address: string, signal: AbortSignal): Promise<Response> {
  const response = await fetch(address, { signal }).catch((cause: unknown) => {
    throw new Error(`${name} could not be fetched: ${cause instanceof Error ? cause.message : cause}`, { cause })
  })
  if (!response.ok) throw new Error(`${name} could not be fetched: the server answered ${response.status}`)
  return response
}

/** Bytes of the body, where the header tells of these and not of compressed ones. */
function sizeOf({ headers }: Response): number | undefined {
  const length = headers.get('content-length')
  return length === null || headers.has('content-encoding') ? undefined : Number(length)
}

async function read(
  name: string,
  response: Response,
  onProgress: (progress: FetchProgress) => void,
): Promise<Uint8Array> {
  const total = sizeOf(response)
  let loaded = 0
  const counter = new TransformStream<Uint8Array, Uint8Array>({
    transform(chunk, controller) {
      loaded += chunk.length
      onProgress({ loaded, total })
      controller.enqueue(chunk)
    },
  })
  try {
    return new Uint8Array(await new Response(response.body?.pipeThrough(counter)).arrayBuffer())
  } catch (cause) {
    throw new Error(`${name} could not be fetched whole: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
}
