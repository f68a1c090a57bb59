// Replay says what decoding does: the rounds that follow from it are those of generation, one by one, whatever is skipped.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { generate, loadModel, type Model, type SkipSet } from 'drafthorse'
import { type Backend, openBackend } from 'drafthorse/engine'
import { exits, type Recording, record, replay, roundsOf, skipOf } from 'drafthorse/search'
import { assertNothingHeld, skipping } from '../decode/generations.ts'
import { expectTfjs, openTfjs } from '../engine/tfjs/peers.ts'

const layers = 12
const everyLayer = Array.from({ length: layers }, (_, layer) => layer)
const sets: Readonly<Record<string, SkipSet>> = {
  'a suffix': skipOf(exits(2 * layers)[3]!),
  'a suffix that begins with an MLP': { attention: everyLayer.slice(6), mlp: everyLayer.slice(5) },
  'holes in the middle': { attention: [5, 7], mlp: [3, 6] },
  'the first sublayer': skipping([0], 'attention'),
  'every attention': skipping(everyLayer, 'attention'),
  everything: skipping(everyLayer),
  nothing: skipping([]),
}
const turn = async (): Promise<void> => {}

interface Runner {
  readonly prompts: number
  readonly maxNewTokens: number
  readonly lengths: readonly number[]
  open(context: Mocha.Context): Promise<Backend>
}

const runners: Readonly<Record<string, Runner>> = {
  'wasm, 1 thread': {
    prompts: 2,
    maxNewTokens: 20,
    lengths: [1, 3, 9],
    open: () => openBackend('wasm', { threads: 1 }),
  },
  'wasm, 2 threads': {
    prompts: 2,
    maxNewTokens: 64,
    lengths: [4],
    open: () => openBackend('wasm', { threads: 2 }),
  },
  reference: { prompts: 1, maxNewTokens: 6, lengths: [3], open: () => openBackend('reference') },
  'tfjs:tensorflow': {
    prompts: 2,
    maxNewTokens: 12,
    lengths: [4],
    async open(context) {
      await expectTfjs(context, 'tfjs:tensorflow')
      return openTfjs('tfjs:tensorflow')
    },
  },
}

for (const [name, runner] of Object.entries(runners)) {
  describe(`replay of the embedded model on ${name}`, () => {
    const { maxNewTokens, lengths } = runner
    const longest = Math.max(...lengths)
    let backend: Backend
    let model: Model
    let prompts: number[][]
    let recording: Recording
    before(async function () {
      backend = await runner.open(this)
      model = await loadModel('stories', { backend })
      const lines = await readFile(new URL('../../models/stories/openings.txt', import.meta.url), 'utf8')
      prompts = lines.split('\n', runner.prompts).map((line) => model.tokenizer.encode(line))
      recording = await record(model, { prompts, maxNewTokens })
    })
    after(async () => {
      recording?.dispose()
      if (model) assertNothingHeld(model)
      await model?.dispose()
      await backend?.dispose()
    })

    for (const [what, skip] of Object.entries(sets)) {
      it(`gives the rounds of generation, token for token: skipping ${what}`, async () => {
        const before = backend.memory()
        const accepted = await replay(model, recording, { skip, longest, turn })
        assert.deepEqual(backend.memory(), before, 'an evaluation keeps nothing')
        for (const draftLength of lengths) {
          for (const [i, text] of recording.texts.entries()) {
            const real: number[][] = []
            const { tokens } = await generate(model, prompts[i]!, {
              maxNewTokens,
              draft: 'skip',
              skip,
              draftLength,
              onRound: (round) => real.push([round.drafted.length, round.accepted, round.tokens.length]),
            }).result
            assert.deepEqual([...prompts[i]!, ...tokens], text.ids)
            const replayed = roundsOf(text, accepted[i]!, draftLength)
            const shown = replayed.map((round) => [round.drafted, round.accepted, round.tokens])
            assert.deepEqual(shown, real, `prompt ${i}, ${draftLength} tokens`)
          }
        }
      })
    }
  })
}
