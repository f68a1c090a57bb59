// llama.cpp in this process, through node-llama-cpp: the peer that plain decoding is measured against. The package is
// loaded when asked for.

import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { packageFolder } from './optional-package.ts'
import type { Decoded, DecodeOptions } from './plain.ts'

/** The part of node-llama-cpp that is called here. */
interface NodeLlamaCpp {
  getLlama(options: object): Promise<{
    readonly systemInfo: string
    loadModel(options: object): Promise<LlamaModel>
    dispose(): Promise<void>
  }>
}

interface LlamaModel {
  tokenize(text: string): number[]
  createContext(options: object): Promise<{ getSequence(): LlamaSequence; dispose(): Promise<void> }>
}

interface LlamaSequence {
  evaluate(tokens: readonly number[], options: object): AsyncGenerator<number>
  clearHistory(): Promise<void>
}

export interface LlamaCpp {
  /** What it was built with, in its own words. */
  readonly system: string
  encode(text: string): number[]
  /** Greedy decoding with so many threads. */
  decode(ids: readonly number[], options: DecodeOptions & { readonly threads: number }): Promise<Decoded>
  dispose(): Promise<void>
}

/** Loads a GGUF file. Throws {@link BackendUnavailableError} that says what to install. */
export async function openLlamaCpp(path: string, { contextSize }: { contextSize: number }): Promise<LlamaCpp> {
  const { getLlama } = await importPackage()
  const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, logLevel: 'error', maxThreads: 0 })
  const model = await llama.loadModel({ modelPath: path, gpuLayers: 0 })
  const sequences = new Map<number, LlamaSequence>()

  async function sequenceOf(threads: number): Promise<LlamaSequence> {
    const known = sequences.get(threads)
    if (known) return known
    const context = await model.createContext({ contextSize, batchSize: contextSize, threads })
    const sequence = context.getSequence()
    sequences.set(threads, sequence)
    return sequence
  }

  return {
    system: llama.systemInfo,
    encode: (text) => [...model.tokenize(text)],
    async decode(ids, { threads, maxNewTokens, signal }) {
      const sequence = await sequenceOf(threads)
      await sequence.clearHistory()
      const tokens: number[] = []
      const start = performance.now()
      let first = 0
      for await (const token of sequence.evaluate(ids, { temperature: 0, yieldEogToken: true })) {
        if (tokens.length === 0) first = performance.now()
        tokens.push(token)
        if (tokens.length === maxNewTokens || signal?.aborted) break
      }
      const tokensPerSecond = ((tokens.length - 1) / (performance.now() - first)) * 1000
      return { tokens, tokensPerSecond, firstTokenMs: first - start }
    },
    dispose: () => llama.dispose(),
  }
}

async function importPackage(): Promise<NodeLlamaCpp> {
  const file = join(packageFolder('node-llama-cpp'), 'dist/index.js')
  return (await import(pathToFileURL(file).href)) as NodeLlamaCpp // an optional package, typed above
}
