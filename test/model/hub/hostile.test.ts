// What a hub, a repository or a line that means harm can do to a pull: nothing but make it fail.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { skipUnlessPossible } from '../../skip.ts'
import { codeOf, fails } from '../load/fixtures.ts'
import { content, firstCommit, type Scratch, scratch } from './pulling.ts'
import { sha256, startHub } from './server.ts'

const weights = content(300_000)
const token = 'hf_secret'

describe('a pull from a hostile hub', () => {
  let at: Scratch
  beforeEach(async () => {
    at = await scratch()
  })
  afterEach(() => at.close())

  const incomplete = async (): Promise<string[]> =>
    (await at.blobs()).filter((name) => name === sha256(weights) || name.endsWith('.incomplete'))

  it('shows the token to the hub alone, never to where it redirects', async () => {
    at.hub.token = token
    await at.pull('owner/tiny', { env: { HF_TOKEN: ` ${token}\n` } })
    const toHub = at.hub.seen.filter((seen) => seen.at === 'hub')
    assert.ok(toHub.length > 0 && toHub.every(({ headers }) => headers.authorization === `Bearer ${token}`))
    const toStore = at.hub.seen.filter((seen) => seen.at === 'store')
    assert.equal(toStore.length, 1)
    assert.equal(toStore[0]?.headers.authorization, undefined)
  })

  it('shows it to no other origin that a listing or a redirect of one names', async () => {
    const other = await startHub()
    try {
      other.repositories.set('owner/tiny', at.hub.repositories.get('owner/tiny')!)
      at.hub.intercept = ({ url }, response) => {
        if (url.includes('/revision/')) response.writeHead(307, { location: other.endpoint + url }).end()
        else if (url.includes('/tree/')) {
          const link = `<${other.endpoint}${url}>; rel="next"`
          response.writeHead(200, { 'content-type': 'application/json', link }).end('[]')
        } else return false
        return true
      }
      await at.pull('owner/tiny', { env: { HF_TOKEN: token } })
      assert.equal(other.seen.length, 2)
      assert.ok(other.seen.every(({ headers }) => headers.authorization === undefined))
    } finally {
      await other.close()
    }
  })

  it('reads the token from where huggingface_hub keeps it, and sends none where that is not wanted', async () => {
    await writeFile(join(at.folder, 'token'), `${token}\n`)
    await writeFile(join(at.folder, 'mine'), 'hf_mine')
    for (const [env, expected] of [
      [{}, `Bearer ${token}`],
      [{ HF_TOKEN_PATH: join(at.folder, 'mine') }, 'Bearer hf_mine'],
      [{ HF_TOKEN: 'hf_first' }, 'Bearer hf_first'],
      [{ HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, undefined],
    ] as const) {
      at.hub.seen.length = 0
      await at.pull('owner/tiny', { env })
      assert.equal(at.hub.seen[0]?.headers.authorization, expected)
    }
  })

  it('a token that no header can carry is refused, without being repeated', async () => {
    await assert.rejects(
      at.pull('owner/tiny', { env: { HF_TOKEN: 'hf_a\r\nhost: b' } }),
      (error: Error) =>
        codeOf(error) === 'ERR_ARGUMENT' && !error.message.includes('hf_a') && /HF_TOKEN/.test(error.message),
    )
    assert.deepEqual(at.hub.seen, [])
  })

  it('sends the token over no line that others can read, and follows no redirect onto one', async () => {
    const authorizations: (string | null)[] = []
    const { fetch } = globalThis
    try {
      globalThis.fetch = async (_, init) => {
        authorizations.push(new Headers(init?.headers).get('authorization'))
        return new Response(null, { status: 302, headers: { location: 'http://hub.example/x' } })
      }
      const pull = (endpoint: string): Promise<unknown> =>
        at.pull('owner/tiny', { env: { HF_TOKEN: token, HF_ENDPOINT: endpoint } })
      await fails(() => pull('https://hub.example'), 'ERR_DOWNLOAD', /not https:, and is not followed/)
      assert.equal(authorizations.join(), `Bearer ${token}`)
      globalThis.fetch = async (_, init) => {
        authorizations.push(new Headers(init?.headers).get('authorization'))
        return new Response(null, { status: 401 })
      }
      await fails(() => pull('http://hub.example'), 'ERR_DOWNLOAD', /No token was sent: HF_ENDPOINT is not encrypted/)
      assert.equal(authorizations.at(-1), null)
    } finally {
      globalThis.fetch = fetch
    }
  })

  it('brings no file whose name leads out of the repository or is none everywhere, and all the others', async () => {
    const odd = ['../x', '/etc/x', 'a/../../x', 'C:/x', '..\\x', '', './x', 'x\n', '//host/x', 'notes: draft.md']
    const listed = ['file', 'directory'].flatMap((type) =>
      odd.map((path) => ({ type, path, size: 1, oid: '0'.repeat(40) })),
    )
    at.hub.relist = (entries) => [...listed, ...entries]
    const { files } = await at.pull()
    assert.deepEqual(
      files.map(({ path }) => path),
      ['config.json', 'model.safetensors'],
    )
    for (const path of odd.filter((name) => name !== '')) {
      await fails(() => at.pull(`owner/tiny:${path}`), 'ERR_MODEL_FORMAT', /owner\/tiny names the file .*relative path/)
      const index = Buffer.from(JSON.stringify({ weight_map: { a: path } }))
      const indexed = { commit: firstCommit, files: { 'model.safetensors.index.json': index } }
      at.hub.repositories.set('owner/indexed', indexed)
      await fails(() => at.pull('owner/indexed'), 'ERR_MODEL_FORMAT', /index\.json of owner\/indexed names the file/)
    }
  })

  it('refuses a listing with a name that is no text, before anything is written', async () => {
    at.hub.relist = (entries) => [...entries, { type: 'file', path: 3, size: 1, oid: '0'.repeat(40) }]
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /listing of owner\/tiny names the file 3; expected a text/)
    assert.ok(!existsSync(at.entry))
  })

  it('refuses sizes, hashes, commits and answers that are none', async () => {
    const change = (values: object) => (entries: Record<string, unknown>[]) =>
      entries.map((entry) => ({ ...entry, ...values }))
    for (const [values, expected] of [
      [{ lfs: undefined, size: -1 }, /a size of -1/],
      [{ lfs: undefined, size: 1.5 }, /a size of 1\.5/],
      [{ lfs: undefined, size: 'x' }, /a size of "x"/],
      [{ lfs: undefined, oid: '../../token' }, /the hash "\.\.\/\.\.\/token"/],
      [{ lfs: { oid: 'A'.repeat(64), size: 1 } }, /expected 64 hex digits/],
      [{ lfs: { size: 1 } }, /the hash undefined/],
    ] as const) {
      at.hub.relist = change(values)
      await fails(() => at.pull(), 'ERR_MODEL_FORMAT', expected)
    }
    at.hub.relist = (entries) => entries
    for (const body of ['<html>', '[]', '{"sha":"../../../x"}', '{}', 'null', '"x"']) {
      at.hub.intercept = (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end(body)
        return true
      }
      await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /listing of owner\/tiny/)
    }
  })

  it('refuses an answer that is too large for memory, while it comes', async () => {
    at.hub.intercept = ({ url }, response) => {
      if (!url.includes('/tree/')) return false
      const block = Buffer.alloc(2 ** 20, ' ')
      const push = (): void => {
        while (!response.destroyed && response.write(block));
      }
      response.on('drain', push).on('error', () => {})
      push()
      return true
    }
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /more than 64000000 bytes/)
  })

  it('keeps nothing whose hash is not that of the listing, large or small', async () => {
    at.hub.spoil = (whole) => Buffer.concat([whole.subarray(1), whole.subarray(0, 1)])
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /"model\.safetensors" came with the sha256 .*It is not kept/)
    assert.deepEqual(await incomplete(), [])
    at.hub.spoil = (whole) => whole
    at.hub.intercept = ({ url }, response) => {
      if (!url.endsWith('config.json')) return false
      response.end('[]')
      return true
    }
    const other = { 'config.json': Buffer.from('{"a":1}'), 'model.safetensors': weights }
    at.hub.repositories.set('owner/tiny', { commit: firstCommit, files: other })
    at.hub.relist = (entries) =>
      entries.map((entry) => (entry['path'] === 'config.json' ? { ...entry, size: 2 } : entry))
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /"config\.json" came with the git-sha1 .*It is not kept/)
    assert.ok(!existsSync(join(at.entry, 'snapshots')))
  })

  it('gives up a body that is longer than the listing says, and a range that was not asked for', async () => {
    at.hub.spoil = (whole) => Buffer.concat([whole, whole])
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /more bytes than the 300000 of the listing/)
    assert.deepEqual(await incomplete(), [])
    at.hub.spoil = (whole) => whole
    at.hub.cuts = [1000]
    at.hub.intercept = ({ at: server, headers }, response) => {
      if (server !== 'store' || !headers.range) return false
      response.writeHead(206, { 'content-range': 'bytes 5-299999/300000' }).end(weights.subarray(5))
      return true
    }
    await fails(
      () => at.pull(),
      'ERR_MODEL_FORMAT',
      /sent the range "bytes 5-299999\/300000"; expected bytes from 1000/,
    )
  })

  it('starts again where what an earlier pull left proves spoiled', async () => {
    await mkdir(join(at.entry, 'blobs'), { recursive: true })
    for (const size of [1000, 300_000, 400_000]) {
      await writeFile(join(at.entry, 'blobs', `${sha256(weights)}.left.${size}.incomplete`), content(size, 'wrong'))
      await at.pull()
      assert.deepEqual(await readFile(join(at.entry, 'blobs', sha256(weights))), weights)
      assert.deepEqual(await incomplete(), [sha256(weights)])
      await at.close()
      at = await scratch()
      await mkdir(join(at.entry, 'blobs'), { recursive: true })
    }
  })

  it('refuses what does not fit the disk, before it is asked for', async () => {
    at.hub.relist = (entries) =>
      entries.map((entry) => (entry['lfs'] ? { ...entry, lfs: { oid: 'c'.repeat(64), size: 2 ** 52 } } : entry))
    await fails(
      () => at.pull(),
      'ERR_DOWNLOAD',
      /4504 TB \(4503599627370498 bytes\) are still to come, but the disk.*HF_HOME/,
    )
    assert.ok(at.hub.seen.every(({ url }) => url.startsWith('/api/')))
  })

  it('writes through no link that leads out of the cache', async function () {
    await mkdir(join(at.entry, 'snapshots'), { recursive: true })
    const outside = join(at.folder, 'outside')
    await mkdir(outside)
    try {
      await symlink(outside, join(at.entry, 'snapshots', firstCommit))
    } catch (error) {
      skipUnlessPossible(this, codeOf(error) !== 'EPERM', 'this account may not make symbolic links')
      throw error
    }
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /leads out of the cache by a link/)
    assert.deepEqual(await readdir(outside), [])
  })

  it('follows no redirect without end, and none to an address of another kind', async () => {
    at.hub.intercept = ({ url }, response) => {
      response.writeHead(302, { location: url }).end()
      return true
    }
    await fails(() => at.pull(), 'ERR_DOWNLOAD', /redirects more than 5 times/)
    for (const location of ['file:///etc/passwd', 'data:text/plain,x', 'http://user:password@127.0.0.1/', 'http://:']) {
      at.hub.intercept = (_, response) => {
        response.writeHead(302, { location }).end()
        return true
      }
      await fails(() => at.pull(), 'ERR_DOWNLOAD', /is not followed$/)
    }
  })
})
