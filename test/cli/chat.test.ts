// `drafthorse chat` as a user meets it: the built program, given its lines by a pipe.
import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repository } from '../model/load/fixtures.ts'
import { skipUnlessPossible } from '../skip.ts'
import { run } from './run.ts'

describe('drafthorse chat', function () {
  this.timeout(60_000)
  let folder: string
  let model: string
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-'))
    model = join(folder, 'talkative')
    await cp(repository('models/stories'), model, { recursive: true, filter: (path) => !/train$/.test(path) })
    const template =
      "{{ bos_token }}{% for m in messages %}{% if m.content == 'refuse' %}{{ raise_exception('no such words') }}{% endif %}{{ m.content + '\n' }}{% endfor %}"
    await writeFile(join(model, 'chat_template.jinja'), template)
  })
  after(() => rm(folder, { recursive: true }))

  const chat = (lines: readonly string[], ...args: string[]): ReturnType<typeof run> =>
    run(['chat', '--model', model, ...args], { input: `${lines.join('\n')}\n`, cwd: folder })
  const transcript = async (file: string): Promise<{ messages: { role: string; content: string }[] }> =>
    JSON.parse(await readFile(join(folder, file), 'utf8'))

  it('answers line by line, and saves what was said', async () => {
    const lines = ['Once upon a time', '', '/save a b.json', '/reset', '/save empty.json', '/exit', 'never said']
    const { code, stdout, stderr } = await chat(lines, '--system', 'A story.', '--max-new-tokens', '8')
    assert.equal(code, 0)
    assert.match(stderr, /3 messages are in a b\.json/)
    const { messages, ...rest } = await transcript('a b.json')
    assert.deepEqual(rest, { format: 'drafthorse/chat@1', model: 'talkative', template: 'default' })
    const said = messages.map(({ role }) => role)
    assert.deepEqual(said, ['system', 'user', 'assistant'])
    assert.equal(stdout, `${messages[2]!.content}\n`)
    assert.deepEqual((await transcript('empty.json')).messages, [{ role: 'system', content: 'A story.' }])
    assert.ok(!(await readdir(folder)).some((name) => name.endsWith('.part')))
  })

  it('says what is wrong with a line, goes on with the next, and fails in the end', async () => {
    const lines = ['/fly', '/save', '/save no/such/folder.json', 'refuse', '//slash', '/save after.json']
    const { code, stderr } = await chat(lines, '--max-new-tokens', '4')
    assert.equal(code, 1)
    for (const message of [
      /error: there is no command \/fly; \/help/,
      /error: give \/save the name of a file/,
      /error: cannot write no\/such\/folder\.json/,
      /error: the chat template does not take these messages: "no such words"/,
    ]) {
      assert.match(stderr, message)
    }
    const { messages } = await transcript('after.json')
    assert.deepEqual([messages.length, messages[0]?.content], [2, '/slash'])
  })

  it('samples as it is told: one seed gives one conversation, drafting or not', async () => {
    const lines = ['Once upon a time', 'Then she went home']
    const tell = async (...args: string[]): Promise<string> =>
      (await chat(lines, '--temperature', '1', '--top-k', '40', '--max-new-tokens', '16', ...args)).stdout
    const first = await tell('--seed', '7')
    assert.equal(await tell('--seed', '7', '--draft', 'skip', '--draft-length', '3'), first)
    assert.notEqual(await tell('--seed', '8'), first)
    assert.notEqual(await tell('--seed', '7', '--repetition-penalty', '1.5'), first)
  })

  it('shows all figures after each answer where it is told to', async () => {
    const { code, stderr } = await chat(['Once upon a time', 'Then'], '--max-new-tokens', '4', '--stats')
    assert.equal(code, 0)
    assert.equal(stderr.match(/^generation +4 tokens \(length\)$/gm)?.length, 2)
    assert.match(stderr, /^prompt +\d+ tokens, \d+ of them cached$/m)
  })

  it('does not begin with an option that is out of range', async () => {
    const { code, stdout, stderr } = await chat(['Once', 'upon'], '--temperature', '1', '--top-p', '2')
    assert.deepEqual([code, stdout], [1, ''])
    assert.equal(stderr.match(/topP is 2, expected a probability above 0/g)?.length, 1)
  })

  it('lets Ctrl-C stop an answer, and no more', async function () {
    skipUnlessPossible(this, process.platform !== 'win32', 'Windows cannot send a child Ctrl-C')
    let killed = false
    const { code, stderr } = await run(['chat', '--model', model], {
      cwd: folder,
      input: 'Once upon a time\n/save stopped.json\n',
      onOutput(all, kill) {
        if (killed || all.length <= 40) return
        killed = true // a second Ctrl-C would end the process at once
        kill('SIGINT')
      },
    })
    assert.equal(code, 0)
    assert.match(stderr, /tokens \(aborted\)/)
    const { messages } = await transcript('stopped.json')
    assert.equal(messages.length, 2)
    assert.ok(messages[1]!.content.length > 20)
  })

  it('says what to do with a model that was not taught to chat', async () => {
    const { code, stdout, stderr } = await run(['chat'], { input: 'Hello\n' })
    assert.deepEqual([code, stdout], [1, ''])
    assert.match(stderr, /stories came without a chat template.*generate.*chat_template\.jinja/)
  })

  it('explains itself, with examples', async () => {
    const { code, stdout } = await run(['chat', '--help'])
    assert.equal(code, 0)
    for (const word of [
      '--system',
      '--temperature',
      '--draft-length',
      '--stats',
      '/save FILE',
      '/reset',
      'Ctrl-C',
      'Examples:',
    ])
      assert.ok(stdout.includes(word), word)
  })
})
