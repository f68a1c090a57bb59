// Pulling from a hub on this machine: what lands in the cache, what is asked for, and what a bad line or a bad server does.
import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { lstat, mkdir, readFile, readlink, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openCheckpoint } from '../../../model/load/checkpoint.ts'
import { memoryFiles } from '../../../model/load/files.ts'
import { oracle } from '../../checkpoints.ts'
import { fails } from '../load/fixtures.ts'
import { content, firstCommit, type Scratch, scratch, secondCommit } from './pulling.ts'
import { gitHash, sha256 } from './server.ts'

const weights = content(300_000)
const config = Buffer.from('{}')

describe('pull', () => {
  let at: Scratch
  beforeEach(async () => {
    at = await scratch()
  })
  afterEach(() => at.close())

  const snapshot = (path: string, commit = firstCommit): string => join(at.entry, 'snapshots', commit, path)
  const asked = (): string[] => at.hub.seen.map(({ url }) => url)
  const ranges = (): unknown[] => at.hub.seen.filter((seen) => seen.at === 'store').map(({ headers }) => headers.range)
  const setFiles = (files: Record<string, Buffer>, commit = firstCommit): void => {
    at.hub.repositories.set('owner/tiny', { commit, files })
  }
  /** What no failed pull may leave. */
  const assertNothingFinal = async (): Promise<void> => {
    assert.ok(!existsSync(snapshot('model.safetensors')), 'there is a snapshot of what did not come')
    assert.ok(!(await at.blobs()).includes(sha256(weights)), 'there is a blob under its final name')
    assert.ok(!existsSync(join(at.entry, 'refs', 'main')), 'main points to what did not come')
  }

  it('lays files out as huggingface_hub does: contents by hash, a snapshot of relative links, main as a commit', async () => {
    const { model, commit, folder, files } = await at.pull()
    assert.deepEqual([model, commit, folder], ['owner/tiny', firstCommit, snapshot('')])
    assert.deepEqual(await at.blobs(), [gitHash(config), sha256(weights)].toSorted())
    assert.equal(await readFile(join(at.entry, 'refs', 'main'), 'utf8'), firstCommit)
    assert.deepEqual(await readFile(snapshot('model.safetensors')), weights)
    if ((await lstat(snapshot('config.json'))).isSymbolicLink()) {
      assert.equal(await readlink(snapshot('config.json')), join('..', '..', 'blobs', gitHash(config)))
    }
    assert.deepEqual(
      files.map(({ path, size, hash, algorithm, cached }) => [path, size, hash, algorithm, cached]),
      [
        ['config.json', 2, gitHash(config), 'git-sha1', false],
        ['model.safetensors', 300_000, sha256(weights), 'sha256', false],
      ],
    )
  })

  it('asks for files as they are, not compressed', async () => {
    await at.pull()
    assert.deepEqual([...new Set(at.hub.seen.map(({ headers }) => headers['accept-encoding']))], ['identity'])
  })

  it('brings what loading needs and nothing else', async () => {
    const beside = ['tokenizer.json', 'tokenizer_config.json', 'tokenizer.model', 'special_tokens_map.json']
    const more = ['generation_config.json', 'chat_template.jinja', 'skip_layers.json']
    const others = ['README.md', 'pytorch_model.bin', 'onnx/model.onnx', 'consolidated.safetensors', 'x.gguf']
    const names = ['config.json', 'model.safetensors', ...beside, ...more, ...others]
    setFiles(Object.fromEntries(names.map((name) => [name, Buffer.from(name)])))
    const { files } = await at.pull()
    assert.deepEqual(
      files.map(({ path }) => path).toSorted(),
      ['config.json', 'model.safetensors', ...beside, ...more].toSorted(),
    )
  })

  it('brings every file that loading looks for beside the weights', async () => {
    const looked = new Set<string>()
    const entries: Record<string, Uint8Array> = {
      'tokenizer.model': await readFile(oracle('sentencepiece/prefix.model')),
    }
    for (const name of ['config.json', 'model.safetensors'])
      entries[name] = await readFile(oracle(`hf/llama2-f32/${name}`))
    const files = memoryFiles('tiny', entries)
    const checkpoint = await openCheckpoint({
      ...files,
      open(path) {
        looked.add(path)
        return files.open(path)
      },
    })
    await checkpoint.close()
    assert.ok(looked.has('added_tokens.json') && looked.has('chat_template.json'), [...looked].join())
    setFiles(Object.fromEntries([...looked].map((name) => [name, Buffer.from(name)])))
    const pulled = await at.pull()
    assert.deepEqual(pulled.files.map(({ path }) => path).toSorted(), [...looked].toSorted())
  })

  it("brings the files that TensorFlow.js's manifest names, of a repository and by name, and refuses others", async () => {
    const manifest = (...paths: string[]): Buffer =>
      Buffer.from(JSON.stringify([{ paths, weights: [{ name: 'a', shape: [2], dtype: 'float32' }] }]))
    const [one, two] = ['group1-shard1of2.bin', 'group1-shard2of2.bin']
    const shards = { 'config.json': config, [one]: content(5), [two]: content(3), 'other.bin': content(9) }
    const whole = Buffer.from(JSON.stringify({ weightsManifest: JSON.parse(String(manifest(one, two))) }))
    for (const [name, bytes] of [
      ['model.json', whole],
      ['weights_manifest.json', manifest(one, two)],
    ] as const) {
      setFiles({ ...shards, [name]: bytes })
      for (const asked of ['owner/tiny', `owner/tiny:${name}`]) {
        const { files } = await at.pull(asked)
        assert.deepEqual(
          files.map(({ path }) => path),
          ['config.json', name, one, two],
        )
      }
    }
    setFiles({ 'f16/model.json': whole, [`f16/${one}`]: content(5), [`f16/${two}`]: content(3) })
    assert.equal((await at.pull('owner/tiny:f16/model.json')).files.length, 3)
    for (const [bytes, expected] of [
      [manifest('../../x'), /stays inside/],
      [manifest('none.bin'), /model\.json names "none\.bin", which owner\/tiny does not have/],
      [Buffer.from('{"format":"layers-model"}'), /"weightsManifest" of model\.json of owner\/tiny is missing/],
    ] as const) {
      setFiles({ ...shards, 'model.json': bytes })
      await fails(() => at.pull(), 'ERR_MODEL_FORMAT', expected)
    }
  })

  it('offers no part of a split GGUF model, and refuses one that is asked for', async () => {
    const part = (i: number): string => `a-Q8_0-0000${i}-of-00002.gguf`
    setFiles({ [part(1)]: content(10), [part(2)]: content(10) })
    const refusal = /one part of a split model.*llama-gguf-split --merge/
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', refusal)
    await fails(() => at.pull(`owner/tiny:${part(1)}`), 'ERR_MODEL_FORMAT', refusal)
    setFiles({ [part(1)]: content(10), 'a-Q4_0.gguf': content(10) })
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /choose one of them:\n.*a-Q4_0\.gguf {2}\(10 bytes\)$/)
    setFiles({ 'b-00001-of-00001.gguf': content(10) })
    assert.equal((await at.pull('owner/tiny:b-00001-of-00001.gguf')).files.length, 1)
  })

  it('brings the files that an index names, each once, and refuses an index that names others', async () => {
    const index = (shards: string[]): Buffer =>
      Buffer.from(JSON.stringify({ weight_map: Object.fromEntries(shards.map((shard, i) => [`w${i}`, shard])) }))
    const [one, two] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors']
    const files = { 'config.json': config, [one]: content(1000), [two]: content(2000), 'old.safetensors': content(9) }
    setFiles({ ...files, 'model.safetensors.index.json': index([one, two, one]) })
    const { files: pulled } = await at.pull()
    assert.deepEqual(
      pulled.map(({ path }) => path),
      ['config.json', 'model.safetensors.index.json', one, two],
    )
    assert.ok(pulled.every(({ cached }) => !cached))
    for (const [shard, expected] of [
      ['../../x', /stays inside/],
      ['model-00003-of-00003.safetensors', /names "model-00003.*does not have/],
    ] as const) {
      setFiles({ ...files, 'model.safetensors.index.json': index([one, shard]) })
      await fails(() => at.pull(), 'ERR_MODEL_FORMAT', expected)
    }
  })

  it('with :FILE brings that file and the small ones beside it, in a folder of the repository too', async () => {
    const files = { 'config.json': config, 'q4/a b.gguf': content(5000), 'q4/tokenizer.json': Buffer.from('{"a":1}') }
    setFiles(files)
    const pulled = await at.pull('owner/tiny:q4/a b.gguf')
    assert.equal(pulled.model, 'owner/tiny:q4/a b.gguf')
    assert.deepEqual(
      pulled.files.map(({ path }) => path),
      ['q4/tokenizer.json', 'q4/a b.gguf'],
    )
    assert.deepEqual(await readFile(snapshot('q4/a b.gguf')), files['q4/a b.gguf'])
    await fails(() => at.pull('owner/tiny:q5.gguf'), 'ERR_NOT_FOUND', /no file "q5\.gguf"/)
  })

  it('of a repository with GGUF files alone asks to choose one, with the commands and sizes', async () => {
    setFiles({ 'a-Q4_0.gguf': content(1500), 'a-Q8_0.gguf': content(250_000) })
    await fails(
      () => at.pull(),
      'ERR_MODEL_FORMAT',
      /choose one.*\n {2}drafthorse pull owner\/tiny:a-Q4_0\.gguf {2}\(1\.50 kB\)\n.*a-Q8_0\.gguf {2}\(250 kB\)$/,
    )
    setFiles({ 'pytorch_model.bin': content(10) })
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /neither model\.safetensors.*nothing in it that can be loaded/)
  })

  it('asks for nothing again that is there, and after a new commit for what changed only', async () => {
    await at.pull()
    at.hub.seen.length = 0
    const again = await at.pull()
    assert.ok(again.files.every(({ cached }) => cached))
    assert.ok(
      asked().every((url) => url.startsWith('/api/')),
      asked().join(),
    )
    at.hub.seen.length = 0
    const changed = Buffer.from('{"changed":true}')
    setFiles({ 'config.json': changed, 'model.safetensors': weights }, secondCommit)
    const { files } = await at.pull()
    assert.deepEqual(
      files.map(({ cached }) => cached),
      [false, true],
    )
    assert.equal(await readFile(join(at.entry, 'refs', 'main'), 'utf8'), secondCommit)
    assert.deepEqual(await readFile(snapshot('config.json', secondCommit)), changed)
    assert.deepEqual(await readFile(snapshot('config.json')), config)
    assert.deepEqual(ranges(), [])
  })

  it('follows a listing in parts, and refuses one without end', async () => {
    at.hub.pageSize = 1
    await at.pull()
    assert.equal(asked().filter((url) => url.includes('/tree/')).length, 3)
    at.hub.intercept = ({ url }, response) => {
      if (!url.includes('/tree/')) return false
      const link = `<${at.hub.endpoint}/api/models/owner/tiny/tree/${firstCommit}>; rel="next"`
      response.writeHead(200, { 'content-type': 'application/json', link }).end('[]')
      return true
    }
    await fails(() => at.pull(), 'ERR_MODEL_FORMAT', /more than 500 parts/)
  })

  it('another revision goes under its own name, and loads by path', async () => {
    const { model } = await at.pull('owner/tiny', { revision: 'v1' })
    assert.equal(model, snapshot(''))
    assert.equal(await readFile(join(at.entry, 'refs', 'v1'), 'utf8'), firstCommit)
    assert.ok(!existsSync(join(at.entry, 'refs', 'main')))
    await at.pull('owner/tiny', { revision: firstCommit })
    assert.ok(!existsSync(join(at.entry, 'refs', firstCommit)))
    await fails(() => at.pull('owner/tiny', { revision: '../../x' }), 'ERR_MODEL_FORMAT', /the revision.*stays inside/)
    await fails(() => at.pull('owner/tiny', { revision: 'v2' }), 'ERR_NOT_FOUND', /no revision "v2"/)
  })

  it('puts copies where links are not wanted', async () => {
    const env = { HF_HUB_DISABLE_SYMLINKS: '1' }
    await at.pull('owner/tiny', { env })
    assert.ok((await lstat(snapshot('model.safetensors'))).isFile())
    assert.deepEqual(await readFile(snapshot('model.safetensors')), weights)
    assert.equal((await stat(snapshot('model.safetensors'))).nlink, 1)
  })

  describe('on a bad line', () => {
    it('goes on after cut connections where it was, by ranges, without waiting for longer and longer', async () => {
      at.hub.cuts = [1000, 70_000, 100_000, 1, 1, 1, 1]
      await at.pull()
      assert.deepEqual(await readFile(snapshot('model.safetensors')), weights)
      assert.equal(ranges()[0], undefined)
      assert.ok(
        ranges()
          .slice(1)
          .every((range) => /^bytes=\d+-$/.test(String(range))),
        String(ranges()),
      )
      assert.deepEqual(at.waits, [1, 1, 1, 1, 1, 1, 1])
      assert.deepEqual((await at.blobs()).length, 2)
    })

    it('starts again where the server takes no ranges, and ends where that leads nowhere', async () => {
      at.hub.ranges = false
      at.hub.cuts = [100_000, 200_000]
      await at.pull()
      assert.deepEqual(await readFile(snapshot('model.safetensors')), weights)
      setFiles({ 'config.json': config, 'model.safetensors': content(300_000, 'others') })
      at.hub.cuts = [5000, 5000, 5000, 5000, 5000, 5000, 5000]
      at.waits.length = 0
      await fails(() => at.pull(), 'ERR_DOWNLOAD', /"model\.safetensors": the connection failed.*is kept/)
      assert.deepEqual(at.waits, [1, 2, 4, 8])
    })

    it('the next pull goes on where a failed one ended', async () => {
      at.hub.cuts = [120_000, 0, 0, 0, 0, 0]
      await fails(() => at.pull(), 'ERR_DOWNLOAD', /connection failed/)
      await assertNothingFinal()
      at.hub.seen.length = 0
      at.hub.cuts = []
      const progress: number[] = []
      await at.pull('owner/tiny', { onProgress: ({ bytes }) => progress.push(bytes) })
      const [range] = ranges()
      assert.match(String(range), /^bytes=[1-9]\d+-$/)
      assert.equal(progress.at(-1), 300_002)
      assert.deepEqual(await readFile(snapshot('model.safetensors')), weights)
      assert.equal((await at.blobs()).length, 2, 'what was left is removed')
    })

    it('Ctrl-C keeps what can be resumed, and leaves nothing under a final name', async () => {
      const controller = new AbortController()
      at.hub.intercept = ({ at: server }, response) => {
        if (server !== 'store') return false
        response.writeHead(200, { 'content-length': weights.length })
        response.write(weights.subarray(0, 90_000))
        return true
      }
      const pulling = at.pull('owner/tiny', {
        signal: controller.signal,
        onProgress: ({ bytes }) => bytes >= 90_002 && controller.abort(new Error('Ctrl-C')),
      })
      await fails(() => pulling, 'ERR_ABORTED', /what has come is kept/)
      await assertNothingFinal()
      at.hub.intercept = undefined
      at.hub.seen.length = 0
      await at.pull()
      assert.deepEqual(ranges(), ['bytes=90000-'])
      assert.deepEqual(await readFile(snapshot('model.safetensors')), weights)
    })

    it('an abort ends the waiting too', async () => {
      const controller = new AbortController()
      at.hub.intercept = (_, response) => {
        response.writeHead(503).end()
        return true
      }
      const clock = { now: () => 0, after: () => () => {} }
      const onWait = (): void => queueMicrotask(() => controller.abort())
      await fails(() => at.pull('owner/tiny', { clock, onWait, signal: controller.signal }), 'ERR_ABORTED', /aborted/)
    })

    it('a connection that falls silent counts as cut', async () => {
      let silent = 0
      at.hub.intercept = ({ at: server }, response) => {
        if (server !== 'store' || silent++ > 0) return false
        response.writeHead(200, { 'content-length': weights.length })
        response.write(weights.subarray(0, 50_000))
        return true
      }
      // Time passes as soon as the first bytes are there.
      let watch = (): void => {}
      const clock = {
        now: () => 0,
        after(ms: number, run: () => void) {
          if (ms < 60_000) setImmediate(run)
          watch = run
          return () => {}
        },
      }
      const waits: string[] = []
      await at.pull('owner/tiny', {
        clock,
        onWait: ({ reason }) => waits.push(reason),
        onProgress: ({ bytes }) => bytes === 50_002 && setImmediate(() => watch()),
      })
      assert.match(waits.join(), /^"model\.safetensors": nothing came for 60 s$/)
      assert.deepEqual(ranges(), [undefined, 'bytes=50000-'])
    })

    it('takes over what a killed process of this machine left, and nothing that others write', async () => {
      const blobs = join(at.entry, 'blobs')
      let mine = ''
      at.hub.intercept = ({ at: server }) => {
        if (server === 'store') mine = readdirSync(blobs).find((name) => name.endsWith('.incomplete')) ?? ''
        return false
      }
      await at.pull()
      at.hub.intercept = undefined
      assert.ok(mine.includes(`.${process.pid}.`), mine)

      const other = content(300_000, 'other')
      const hash = sha256(other)
      setFiles({ 'config.json': config, 'model.safetensors': other }, secondCommit)
      const running = mine.replace(sha256(weights), hash)
      const killed = running.replace(`.${process.pid}.`, `.${2 ** 22 + 7}.`) // above all process ids
      const elsewhere = killed.replace(/\.[0-9a-f]{12}\./, '.ffffffffffff.')
      const theirs = `${hash}.0123abcd.incomplete` // as huggingface_hub calls it
      for (const name of [running, elsewhere, theirs]) await writeFile(join(blobs, name), other.subarray(0, 250_000))
      await writeFile(join(blobs, killed), other.subarray(0, 123_456))
      at.hub.seen.length = 0
      await at.pull()
      assert.deepEqual(ranges(), ['bytes=123456-'])
      assert.deepEqual(await readFile(snapshot('model.safetensors', secondCommit)), other)
      assert.deepEqual(
        (await at.blobs()).filter((name) => name.endsWith('.incomplete')),
        [running, elsewhere, theirs].toSorted(),
      )
    })

    it('takes over what another machine has not touched for hours', async () => {
      const partial = join(at.entry, 'blobs', `${sha256(weights)}.ffffffffffff.1.abc.incomplete`)
      await mkdir(join(at.entry, 'blobs'), { recursive: true })
      await writeFile(partial, weights.subarray(0, 200_000))
      const hoursAgo = Date.now() / 1000 - 2 * 3600
      await utimes(partial, hoursAgo, hoursAgo)
      await at.pull()
      assert.deepEqual(ranges(), ['bytes=200000-'])
    })

    it('two pulls at once do not spoil each other', async () => {
      at.hub.cuts = [100_000, 50_000, 30_000]
      const both = await Promise.all([at.pull(), at.pull()])
      assert.deepEqual(both[0].folder, both[1].folder)
      assert.deepEqual(await readFile(snapshot('model.safetensors')), weights)
      assert.deepEqual(await at.blobs(), [gitHash(config), sha256(weights)].toSorted())
    })
  })
})
