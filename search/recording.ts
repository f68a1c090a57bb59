// What replay goes by: for each calibration prompt the model's own greedy continuation, and its cache.

import { type GenerationEvent, generate } from '../decode/index.ts'
import { ArgumentError, OutOfMemoryError } from '../engine/errors.ts'
import { freeMemory } from '../engine/free-memory.ts'
import { createTurn } from '../engine/turn.ts'
import type { Sequence } from '../model/cache.ts'
import { checkedTokens, type Model } from '../model/load-model.ts'

/** A prompt and what plain decoding made of it. */
export interface RecordedText {
  /** Prompt and continuation, with the end-of-sequence token where that ended it. */
  readonly ids: readonly number[]
  readonly promptTokens: number
  /** New tokens that there could have been: as many as were asked for, or as the context holds. There are fewer where the text ended. */
  readonly most: number
  /** Keys and values of all ids but the newest. */
  readonly sequence: Sequence
}

export interface Recording {
  /** Texts with at least one new token. */
  readonly texts: readonly RecordedText[]
  /** New tokens of all texts. */
  readonly tokens: number
  /** Frees the caches. Disposing twice does nothing. */
  dispose(): void
}

export interface RecordingOptions {
  /** Token ids. */
  readonly prompts: readonly (readonly number[])[]
  /** Of each prompt. */
  readonly maxNewTokens: number
  readonly signal?: AbortSignal | undefined
  /** Told after each new token, of at most `total`. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
}

/** Positions for which backends take memory at once. */
const positionsTogether = 64

/**
 * Continues each prompt by plain greedy decoding, up to its end of sequence, and keeps the caches. Throws
 * {@link ArgumentError} where there is nothing to record, {@link OutOfMemoryError} before memory is taken that is not there,
 * and `AbortError`.
 */
export async function record(
  model: Model,
  { prompts, maxNewTokens, signal, onProgress }: RecordingOptions,
): Promise<Recording> {
  if (prompts.length === 0) throw new ArgumentError('there are no prompts to record texts of; give at least one')
  if (!Number.isSafeInteger(maxNewTokens) || maxNewTokens < 1) {
    throw new ArgumentError(`maxNewTokens is ${maxNewTokens}, expected a whole number from 1`)
  }
  const { maxPositionEmbeddings: context } = model.config
  const checked = prompts.map((ids) => checkedTokens(ids, model.config))
  const rooms = checked.map((ids) => Math.min(maxNewTokens, context - ids.length))
  expectMemory(
    model,
    checked.map((ids, i) => ids.length + rooms[i]!),
  )
  const turn = createTurn(signal)
  const total = rooms.reduce((sum, room) => sum + room, 0)
  const texts: RecordedText[] = []
  const dispose = (): void => {
    for (const { sequence } of texts) sequence.dispose()
  }
  let [before, tokens] = [0, 0]
  try {
    for (const [i, prompt] of checked.entries()) {
      const most = rooms[i]!
      await turn()
      if (most > 0) {
        const sequence = model.createSequence()
        const text = { ids: [...prompt], promptTokens: prompt.length, most, sequence }
        texts.push(text)
        const stream = generate(model, prompt, { draft: 'none', maxNewTokens, sequence, signal })
        for await (const event of stream) {
          if (!isToken(event)) continue
          text.ids.push(event.id)
          onProgress?.(before + text.ids.length - prompt.length, total)
        }
        await turn() // an aborted text is a result too, but not one to keep
        tokens += text.ids.length - prompt.length
      }
      before += most
      onProgress?.(before, total)
    }
  } catch (error) {
    dispose()
    throw error
  }
  if (tokens > 0) return { texts, tokens, dispose }
  throw new ArgumentError(
    `all ${prompts.length} prompts fill the context of ${context} tokens; there is no room for a new one`,
  )
}

function isToken(event: GenerationEvent): event is Extract<GenerationEvent, { type: 'token' }> {
  return event.type === 'token'
}

/** Throws {@link OutOfMemoryError} where the caches of texts of these lengths do not fit what the system has left. */
function expectMemory({ backend, config }: Model, lengths: readonly number[]): void {
  const { numHiddenLayers, numKeyValueHeads, headDim } = config
  const positions = lengths.reduce((sum, length) => sum + Math.ceil(length / positionsTogether) * positionsTogether, 0)
  // Beside the texts, each row of a pass has a cache of its own, of which one or two such pieces are used.
  const beside = backend.capabilities.passRows * 2 * positionsTogether
  const bytes = (positions + beside) * 2 * numHiddenLayers * numKeyValueHeads * headDim * 4
  const free = backend.capabilities.kind === 'software' ? freeMemory() : undefined
  if (free === undefined || bytes <= free) return
  throw new OutOfMemoryError(
    `the caches of ${lengths.length} texts take ${bytes} bytes, and the system has ${free} left; give fewer prompts, or ask for fewer tokens`,
  )
}
