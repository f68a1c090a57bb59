// What a pull says when the hub refuses or is not there, and how often it asks before it does.
import assert from 'node:assert/strict'
import { type Scratch, scratch } from '../../hub/pulling.ts'
import { fail } from '../../hub/server.ts'
import { fails } from './fixtures.ts'

const withToken = { env: { HF_TOKEN: 'hf_mine' } }

describe('errors of a pull', () => {
  let at: Scratch
  beforeEach(async () => {
    at = await scratch()
  })
  afterEach(() => at.close())

  /** The hub answers this wherever a file is asked for. */
  const answer = (status: number, code: string, headers: Record<string, string> = {}): void => {
    at.hub.intercept = ({ url }, response) => {
      if (!url.includes('/resolve/')) return false
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value)
      fail(response, status, code, 'said \u001b[2J so'.replace('\u001b', ''))
      return true
    }
  }

  it('without a token, for what is not there or not public: check the name, and how to get a token', async () => {
    at.hub.token = 'hf_right'
    await fails(
      () => at.pull(),
      'ERR_DOWNLOAD',
      /401.*no such repository, or it is private or gated.*No token was sent: HF_TOKEN is not set.*\/settings\/tokens, and set HF_TOKEN/,
    )
    assert.equal(at.hub.seen.length, 1, 'it is asked once')
  })

  it('with a token that is not valid: make a new one', async () => {
    at.hub.token = 'hf_right'
    await fails(() => at.pull('owner/tiny', withToken), 'ERR_DOWNLOAD', /token is not valid.*\/settings\/tokens/)
  })

  it('for a gated repository: where its terms are, and the token if there is none', async () => {
    for (const status of [401, 403]) {
      answer(status, 'GatedRepo')
      const page = `${at.hub.endpoint}/owner/tiny`
      const terms = new RegExp(`It is gated: accept its terms at ${page}. No token was sent`)
      await fails(() => at.pull(), 'ERR_DOWNLOAD', terms)
      await fails(() => at.pull('owner/tiny', withToken), 'ERR_DOWNLOAD', /with the account of your token, and wait/)
    }
  })

  it('for what the token may not read: give it the right to', async () => {
    answer(403, '')
    await fails(() => at.pull('owner/tiny', withToken), 'ERR_DOWNLOAD', /403.*may not read it: give it the right/)
    await fails(() => at.pull(), 'ERR_DOWNLOAD', /403.*No token was sent/)
  })

  it('for a repository that is not there, or a file: not found', async () => {
    await fails(
      () => at.pull('owner/none'),
      'ERR_NOT_FOUND',
      /listing of owner\/none.*404.*no such repository.*check the name/,
    )
    answer(404, 'EntryNotFound')
    await fails(() => at.pull(), 'ERR_NOT_FOUND', /owner\/tiny has no "config\.json" at "main"/)
    assert.deepEqual(at.waits, [])
  })

  it('tries again after 1, 2, 4 and 8 s what may pass, says so before each wait, and then what to do', async () => {
    const passing = [429, 500, 502, 503, 504, 408]
    for (const status of passing) {
      answer(status, '')
      at.waits.length = 0
      at.hub.seen.length = 0
      const told: number[] = []
      const expected =
        status === 429 ? /429.*Too many requests.*later; with a token/ : /The server has trouble: try again later/
      await fails(
        () => at.pull('owner/tiny', { onWait: ({ seconds }) => told.push(seconds) }),
        'ERR_DOWNLOAD',
        expected,
      )
      assert.deepEqual(at.waits, [1, 2, 4, 8])
      assert.deepEqual(told, at.waits)
      assert.equal(at.hub.seen.filter(({ url }) => url.includes('/resolve/')).length, 5)
    }
  })

  it('waits as long as the server asks, up to two minutes', async () => {
    answer(429, '', { 'retry-after': '7' })
    await fails(() => at.pull(), 'ERR_DOWNLOAD', /try again in 7 s/)
    assert.deepEqual(at.waits, [7, 7, 7, 8])
    at.waits.length = 0
    answer(429, '', { 'retry-after': '3600' })
    await fails(() => at.pull(), 'ERR_DOWNLOAD', /try again in 3600 s/)
    assert.deepEqual(at.waits, [])
  })

  it('asks the hub anew where an address that it redirected to is refused', async () => {
    let refused = 0
    at.hub.intercept = ({ at: server }, response) => {
      if (server !== 'store' || refused++ > 0) return false
      response.writeHead(403).end()
      return true
    }
    await at.pull()
    assert.deepEqual(at.waits, [1])
    assert.equal(at.hub.seen.filter(({ url }) => url.endsWith('model.safetensors')).length, 2)
  })

  it('for a server that is not there: the network; for one of another kind: HF_ENDPOINT', async () => {
    const { endpoint } = at.hub
    await at.hub.close()
    await fails(() => at.pull(), 'ERR_DOWNLOAD', /the connection failed \(ECONNREFUSED\); check the network/)
    assert.deepEqual(at.waits, [1, 2, 4, 8])
    for (const wrong of ['nowhere', 'ftp://x', 'https://me:secret@x']) {
      await fails(
        () => at.settings({ HF_ENDPOINT: wrong }),
        'ERR_ARGUMENT',
        /^(?!.*secret).*HF_ENDPOINT is not an address/,
      )
    }
    assert.equal(at.settings({ HF_ENDPOINT: `${endpoint}//` }).endpoint, endpoint)
  })

  it('asks nobody while HF_HUB_OFFLINE is set', async () => {
    for (const value of ['1', 'true', 'YES', 'on']) {
      await fails(
        () => at.pull('owner/tiny', { env: { HF_HUB_OFFLINE: value } }),
        'ERR_DOWNLOAD',
        /HF_HUB_OFFLINE is set; unset it/,
      )
    }
    assert.deepEqual(at.hub.seen, [])
    await at.pull('owner/tiny', { env: { HF_HUB_OFFLINE: '0' } })
  })

  it('for a text that is no hub name: what one looks like', async () => {
    for (const text of [
      'gpt2',
      'a/b/c',
      '../x',
      'a/..',
      '-a/b',
      'a/b.',
      'a--b/c',
      'a/b.git',
      'a/b:',
      'a b/c',
      `a/${'b'.repeat(95)}`,
    ]) {
      await fails(() => at.pull(text), 'ERR_ARGUMENT', /expected OWNER\/NAME or OWNER\/NAME:FILE/)
    }
    await fails(() => at.pull('owner/tiny:../x'), 'ERR_MODEL_FORMAT', /stays inside/)
    assert.deepEqual(at.hub.seen, [])
  })
})
