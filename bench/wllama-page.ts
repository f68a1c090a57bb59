// The page of wllama.ts: both engines with one file, each told what to decode by the process that measures. Runs in a
// browser, so it is free of Node.

import type { Backend } from '../engine/backend.ts'
import type { WeightDType } from '../engine/dtype.ts'
import { ArgumentError } from '../engine/errors.ts'
import { loadModel, type Model } from '../index.ts'
import { checkRange, type ModelFiles } from '../model/load/files.ts'
import { type Decoded, type DecodeOptions, decodePlainly } from './plain.ts'

/** The part of wllama that is called here. */
interface WllamaModule {
  readonly Wllama: {
    new (assets: object, options: object): Wllama
    getLibllamaVersion(): string
  }
}

interface Wllama {
  setCompat(resources: null): void
  loadModel(files: readonly Blob[], options: object): Promise<void>
  getNumThreads(): number
  createCompletion(options: object): Promise<void>
}

/** What comes with a token, of all that `verbose` adds: its id, and how many there are. The last has none, and sums up. */
interface Chunk {
  readonly __verbose: {
    readonly tokens: readonly number[]
    readonly tokens_predicted: number
    readonly tokens_evaluated: number
  }
}

/** What can be told of a model to another process. */
export type OpenedModel = Pick<Model, 'name' | 'summary'> & { readonly backend: Pick<Backend, 'name' | 'capabilities'> }

export interface OpenedWllama {
  readonly llamaCpp: string
  readonly threads: number
}

export interface DecodeTask {
  readonly engine: string
  readonly threads: number
  readonly prompt: string
  readonly maxNewTokens: number
}

export interface PeersPage {
  openOurs(options: { readonly threads: number; readonly dtype: WeightDType | undefined }): Promise<OpenedModel>
  openWllama(options: { readonly threads: number; readonly contextSize: number }): Promise<OpenedWllama>
  decode(task: DecodeTask): Promise<Decoded>
}

declare global {
  var peersPage: PeersPage
}

type Decode = (prompt: string, options: DecodeOptions) => Promise<Decoded>

const sides = new Map<string, Decode>()
let tokenizer: Model['tokenizer'] | undefined

globalThis.peersPage = {
  async openOurs({ threads, dtype }) {
    const model = await loadModel(filesOf(chosenFile()), { backend: 'wasm', threads, dtype })
    const { name, summary, backend } = model
    tokenizer = model.tokenizer
    sides.set(`drafthorse ${threads}`, (prompt, options) =>
      decodePlainly(model, model.tokenizer.encode(prompt), options),
    )
    return { name, summary, backend: { name: backend.name, capabilities: backend.capabilities } }
  },
  async openWllama({ threads, contextSize }) {
    const address = '/wllama/index.js'
    const { Wllama } = (await import(address)) as WllamaModule // an optional package, typed above
    let fail = (_: Error): void => {}
    const failed = new Promise<never>((_, reject) => {
      fail = reject
    })
    failed.catch(() => {})
    const silent = (): void => {}
    // An error of its worker is logged, and nobody else hears of it.
    const error = (...words: unknown[]): void => fail(new Error(words.map(wordsOf).join(' ')))
    const wllama = new Wllama(
      { default: '/wllama/wasm/wllama.wasm' },
      { suppressNativeLog: true, logger: { debug: silent, log: silent, warn: silent, error } },
    )
    wllama.setCompat(null) // for an old browser it would fetch another build from elsewhere
    const loading = wllama.loadModel([chosenFile()], {
      n_threads: threads,
      n_ctx: contextSize,
      n_gpu_layers: 0,
      n_parallel: 1,
    })
    await Promise.race([loading, failed])
    sides.set(`wllama ${threads}`, (prompt, options) =>
      Promise.race([decodeWithWllama(wllama, prompt, options), failed]),
    )
    return { llamaCpp: Wllama.getLibllamaVersion(), threads: wllama.getNumThreads() }
  },
  decode({ engine, threads, prompt, maxNewTokens }) {
    return sides.get(`${engine} ${threads}`)!(prompt, { maxNewTokens })
  },
}

/** What an error says that is logged: it may be one, or the event of one. */
function wordsOf(value: unknown): string {
  return typeof value === 'object' && value && 'message' in value ? String(value.message) : String(value)
}

/** As it streams: the tokens' ids come with their text, and the time is that of the page, as ours is. */
async function decodeWithWllama(wllama: Wllama, prompt: string, { maxNewTokens }: DecodeOptions): Promise<Decoded> {
  const tokens: (number | undefined)[] = new Array(maxNewTokens).fill(undefined)
  const start = performance.now()
  const first = { time: 0, count: 0 }
  const last = { time: 0, count: 0 }
  let promptTokens = 0
  await wllama.createCompletion({
    prompt,
    max_tokens: maxNewTokens,
    temperature: 0,
    ignore_eos: true,
    cache_prompt: false,
    return_tokens: true,
    verbose: true,
    stream: true,
    onData({ __verbose: { tokens: ids, tokens_predicted: count, tokens_evaluated } }: Chunk) {
      promptTokens = tokens_evaluated
      if (ids.length === 0) return
      Object.assign(last, { time: performance.now(), count })
      if (first.count === 0) Object.assign(first, last)
      tokens[count - 1] = ids.at(-1) // those of half a character come with the other half, without an id
    },
  })
  checkPrompt(prompt, promptTokens)
  const tokensPerSecond = ((last.count - first.count) / (last.time - first.time)) * 1000
  return { tokens, tokensPerSecond, firstTokenMs: first.time - start }
}

/** wllama takes text alone, and cuts it into tokens itself. */
function checkPrompt(prompt: string, theirs: number): void {
  const ours = tokenizer?.encode(prompt).length
  if (ours === theirs) return
  throw new ArgumentError(
    `${JSON.stringify(prompt)} is ${ours} tokens here and ${theirs} for wllama; leave such a prompt out`,
  )
}

function chosenFile(): File {
  const file = document.querySelector('input')?.files?.[0]
  if (file) return file
  throw new Error('the page was given no file')
}

/** A file on disk, of which the browser reads what is asked for. */
function filesOf(file: File): ModelFiles {
  return {
    name: file.name.replace(/\.[^.]*$/, ''),
    file: file.name,
    async open(path) {
      if (path !== file.name) return undefined
      return {
        name: path,
        size: file.size,
        async read(offset, length) {
          checkRange(file, { offset, length })
          return new Uint8Array(await file.slice(offset, offset + length).arrayBuffer())
        },
        async close() {},
      }
    },
  }
}
