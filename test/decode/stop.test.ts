// Stop strings: the text ends before them, no part of them is ever shown, and drafts change nothing about it.
import assert from 'node:assert/strict'
import { generate, loadModel, type Model } from 'drafthorse'
import type { GenerateOptions } from 'drafthorse/decode'
import fc from 'fast-check'
import { stopsAt, watchStopStrings } from '../../decode/stop.ts'
import { stories260K } from '../checkpoints.ts'
import { collect, outcome, skipping } from './generations.ts'

describe('watchStopStrings', () => {
  const shown = (stops: readonly string[], pieces: readonly string[]): string[] => {
    const watch = watchStopStrings(stops)
    const texts: string[] = []
    for (const piece of pieces) {
      const { text, stopped } = watch.push(piece)
      texts.push(text)
      if (stopped) return texts
    }
    return [...texts, watch.flush()]
  }

  it('shows text at once that cannot begin a stop string', () => {
    assert.deepEqual(shown(['end'], ['a', 'b ', 'c']), ['a', 'b ', 'c', ''])
    assert.deepEqual(shown([], ['a', 'b']), ['a', 'b', ''])
  })

  it('holds back what may begin one, until it does not', () => {
    assert.deepEqual(shown(['end'], ['the e', 'n', 'gines']), ['the ', '', 'engines', ''])
  })

  it('gives what was held back when the text ends otherwise', () => {
    assert.deepEqual(shown(['end'], ['the en']), ['the ', 'en'])
  })

  it('ends before a stop string that several pieces make', () => {
    assert.deepEqual(shown(['end'], ['th', 'e', 'e', 'nd of', 'it']), ['th', '', 'e', ''])
  })

  it('ends before the first of several, wherever they overlap', () => {
    assert.deepEqual(shown(['bc', 'abcd'], ['xab', 'cd']), ['x', ''])
    assert.deepEqual(shown(['bc', 'abcd'], ['xab', 'c', 'd']), ['x', 'a'])
    assert.deepEqual(shown(['aab'], ['aa', 'a', 'b']), ['', 'a', ''])
  })

  it('gives what searching the whole text gives, however it is cut', () => {
    const letters = (maxLength: number) => fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength })
    fc.assert(
      fc.property(fc.array(letters(4), { maxLength: 3 }), fc.array(letters(5), { maxLength: 12 }), (stops, pieces) => {
        const text = pieces.join('')
        let end = pieces.length
        let expected = text
        for (let count = pieces.length; count > 0; count--) {
          const before = pieces.slice(0, count).join('')
          const at = stops.map((stop) => before.indexOf(stop)).filter((index) => index >= 0)
          if (at.length > 0) [end, expected] = [count, before.slice(0, Math.min(...at))]
        }
        const texts = shown(stops, pieces)
        assert.equal(texts.join(''), expected)
        assert.equal(texts.length, expected === text ? texts.length : end)
      }),
    )
  })
})

describe('stopsAt', () => {
  const rules = { eosTokenIds: [7, 9], maxNewTokens: 3, room: 5 }

  it('prefers the end of the sequence to the number of tokens, and that to the context', () => {
    assert.equal(stopsAt(rules, 1, 2), undefined)
    assert.equal(stopsAt(rules, 9, 1), 'eos')
    assert.equal(stopsAt(rules, 7, 3), 'eos')
    assert.equal(stopsAt(rules, 1, 3), 'length')
    assert.equal(stopsAt({ ...rules, room: 3 }, 1, 3), 'length')
    assert.equal(stopsAt({ ...rules, room: 2 }, 1, 2), 'context')
  })
})

describe('a stop string', () => {
  const prompt = 'Once upon a time'
  let model: Model
  let whole: string
  before(async () => {
    model = await loadModel(stories260K)
    whole = (await generate(model, prompt, { maxNewTokens: 60 }).result).text
  })
  after(() => model.dispose())

  const drafts: readonly GenerateOptions[] = [
    { draft: 'none' },
    ...[1, 3, 4, 8].flatMap((draftLength): GenerateOptions[] => [
      { draft: 'skip', skip: skipping([]), draftLength },
      { draft: 'skip', skip: skipping([3]), draftLength },
    ]),
  ]

  for (const stop of [['.'], [', there'], ['play'], ['ark. One'], ['zzz', 'her', 'little girl'], [' ']]) {
    it(`ends the text before ${JSON.stringify(stop)}, with and without drafts, and shows no part of it`, async () => {
      const places = stop.map((text) => whole.indexOf(text)).filter((at) => at !== -1)
      const expected = whole.slice(0, Math.min(...places))
      let plain: unknown
      for (const draft of drafts) {
        const { events, result } = await collect(generate(model, prompt, { ...draft, stop, maxNewTokens: 60 }))
        assert.equal(result.text, expected)
        assert.equal(result.finishReason, 'stop')
        assert.equal(events.map((event) => (event.type === 'token' ? event.text : '')).join(''), expected)
        const decoded = model.tokenizer.decode([...model.tokenizer.encode(prompt), ...result.tokens])
        assert.ok(stop.some((text) => decoded.includes(text, prompt.length)))
        plain ??= outcome(result)
        assert.deepEqual(outcome(result), plain)
      }
    })
  }

  it('that does not come changes nothing', async () => {
    for (const stop of [['zebra'], ['She loved to playground'], ['\n\n']]) {
      const { text, finishReason } = await generate(model, prompt, { stop, maxNewTokens: 60 }).result
      assert.deepEqual({ text, finishReason }, { text: whole, finishReason: 'length' })
    }
  })

  it('that had only begun is shown when the text ends for another reason', async () => {
    const stop = [whole.slice(0, 30)]
    for (const draft of drafts) {
      const { text, finishReason } = await generate(model, prompt, { ...draft, stop, maxNewTokens: 5 }).result
      assert.deepEqual([whole.startsWith(text), text.length > 5, finishReason], [true, true, 'length'])
    }
  })

  it('is looked for in new text only', async () => {
    const { text } = await generate(model, prompt, { stop: ['Once upon', 'time'], maxNewTokens: 60 }).result
    assert.equal(text, whole)
  })

  it('that began in the text of an aborted generation is not shown', async () => {
    const controller = new AbortController()
    const stream = generate(model, prompt, { stop: [', there was a zebra'], signal: controller.signal })
    for await (const event of stream) if (event.type === 'token' && event.index === 3) controller.abort()
    const { text, tokens } = await stream.result
    assert.deepEqual([text, tokens.length], ['', 4])
  })
})
