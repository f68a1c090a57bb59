// A conversation: what was said is kept, and of a turn only what is new is run.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { generate, loadModel, type Model } from 'drafthorse'
import { adaptive, adaptiveState } from 'drafthorse/decode'
import { type Backend, openBackend, withOps } from 'drafthorse/engine'
import { reference } from 'drafthorse/engine/reference'
import { memoryFiles } from 'drafthorse/model'
import { type Conversation, createConversation } from '../../cli/conversation.ts'
import { fails, json, repository } from '../model/load/fixtures.ts'

const template = "{% for m in messages %}{{ m.content + '\\n' }}{% endfor %}"
const oracle = (name: string): Uint8Array => readFileSync(repository(`test/oracles/stories260K/${name}`))

describe('a conversation', () => {
  let rowsRun = 0
  let backend: Backend
  let model: Model
  before(async () => {
    const { ops } = await reference.open({})
    const embed: typeof ops.embed = (out, ids, options) => {
      rowsRun += out.shape[0]!
      ops.embed(out, ids, options)
    }
    backend = await openBackend(withOps(reference, { embed }))
    const files = {
      'stories260K.bin': oracle('stories260K.bin'),
      'tok512.bin': oracle('tok512.bin'),
      'chat_template.jinja': json(template),
    }
    model = await loadModel(memoryFiles('stories260K', files, { file: 'stories260K.bin' }), { backend })
  })
  after(async () => {
    await model.dispose()
    await backend.dispose()
  })

  /** Without drafts, whose rows would be counted too. */
  const converse = (system?: string): Conversation =>
    createConversation(model, { system, settings: { maxNewTokens: 12, ignoreEos: true, draft: 'none' } })
  const { signal } = new AbortController()
  const show: Parameters<Conversation['say']>[1]['show'] = (stream) => stream.result

  it('keeps what was said, and runs only the rows that are new', async () => {
    const conversation = converse('A story.')
    const before = [{ role: 'system', content: 'A story.' }]
    let cached: number[] = []
    for (const content of ['Once upon a time', 'Then she went home', 'The end']) {
      const asked = [...conversation.messages, { role: 'user', content }]
      const ids = await model.chat.encode(asked)
      const common = ids.findIndex((id, i) => id !== cached[i])
      rowsRun = 0
      const { text, tokens } = await conversation.say(content, { signal, show })
      // The newest token of a prompt, and of a text, is run when the next one is asked for.
      assert.equal(rowsRun, ids.length - common + (tokens.length - 1), content)
      assert.ok(cached.length === 0 || common > cached.length / 2, `only ${common} of ${cached.length} rows were kept`)
      before.push({ role: 'user', content }, { role: 'assistant', content: text })
      assert.deepEqual(conversation.messages, before)
      cached = [...ids, ...tokens.slice(0, -1)]
    }
  })

  it('carries what adaptive draft-exiting learns from turn to turn', async () => {
    const settings = { maxNewTokens: 80, ignoreEos: true, draft: 'skip', exitLayer: 4 } as const
    const conversation = createConversation(model, { settings: { ...settings, draftLength: 'adaptive' } })
    const state = adaptiveState()
    const drafted = { carried: [] as number[], fresh: [] as number[] }
    for (const content of ['Once upon a time', 'Then she went home', 'The end']) {
      const ids = await model.chat.encode([...conversation.messages, { role: 'user', content }])
      const { stats } = await conversation.say(content, { signal, show })
      for (const [draftLength, list] of [
        [adaptive({ state }), drafted.carried],
        [adaptive(), drafted.fresh],
      ] as const) {
        list.push((await generate(model, ids, { ...settings, draftLength }).result).stats.draftedTokens)
      }
      assert.equal(stats.draftedTokens, drafted.carried.at(-1))
    }
    assert.equal(drafted.carried[0], drafted.fresh[0])
    assert.notDeepEqual(drafted.carried, drafted.fresh)
  })

  it('answers as if it had never been cached', async () => {
    const [long, fresh] = [converse(), converse()]
    await long.say('Once upon a time', { signal, show })
    await long.say('There was a cat', { signal, show })
    long.reset()
    assert.deepEqual(long.messages, [])
    const answers = [await long.say('One day', { signal, show }), await fresh.say('One day', { signal, show })]
    assert.deepEqual(answers[0]!.tokens, answers[1]!.tokens)
  })

  it('keeps an answer that was stopped as far as it came, and forgets a message that got none', async () => {
    const controller = new AbortController()
    const conversation = converse()
    const { text, finishReason } = await conversation.say('Once upon a time', {
      signal: controller.signal,
      async show(stream) {
        for await (const event of stream) if (event.type === 'token' && event.index === 3) controller.abort()
        return stream.result
      },
    })
    assert.equal(finishReason, 'aborted')
    assert.deepEqual(conversation.messages.at(-1), { role: 'assistant', content: text })
    const nothing = await conversation.say('Go on', { signal: controller.signal, show })
    assert.deepEqual([nothing.finishReason, nothing.text, conversation.messages.length], ['aborted', '', 2])
  })

  it('goes on after a message that does not fit', async () => {
    const conversation = converse()
    const tooLong = /tokens with this message, which is not kept; .*context holds 512: \/reset begins anew/
    await fails(() => conversation.say('a b '.repeat(400), { signal, show }), 'ERR_ARGUMENT', tooLong)
    assert.deepEqual(conversation.messages, [])
    assert.notEqual((await conversation.say('Once', { signal, show })).text, '')
    await fails(() => conversation.say('a b '.repeat(400), { signal, show }), 'ERR_ARGUMENT', tooLong)
    assert.equal(conversation.messages.length, 2)
  })

  it('is written down with its format', async () => {
    const conversation = converse('Be kind.')
    await conversation.say('Once', { signal, show })
    const { messages } = conversation
    const expected = { format: 'drafthorse/chat@1', model: 'stories260K', template: undefined, messages }
    assert.deepEqual(conversation.transcript(), expected)
  })

  it('needs a model that was taught to chat', async () => {
    const files = { 'stories260K.bin': oracle('stories260K.bin'), 'tok512.bin': oracle('tok512.bin') }
    const base = await loadModel(memoryFiles('base', files, { file: 'stories260K.bin' }), { backend })
    assert.equal(base.hasChat, false)
    await fails(() => createConversation(base, { settings: {} }), 'ERR_NOT_FOUND', /base came without a chat template/)
    await base.dispose()
  })
})
