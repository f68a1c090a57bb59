// What a hub name means to loading: the cache as pull and huggingface_hub leave it, and nothing from any server.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel } from 'drafthorse'
import { openFiles } from '../../../model/load/files-node.ts'
import { formatHubName, parseHubName } from '../../../model/load/hub-name.ts'
import { hubSettings } from '../../../model/load/hub-settings-node.ts'
import { folderOf, oracle } from '../../checkpoints.ts'
import { firstCommit, type Scratch, scratch, secondCommit } from '../../hub/pulling.ts'
import { skipUnlessPossible } from '../../skip.ts'
import { codeOf, fails } from './fixtures.ts'

describe('parseHubName', () => {
  it('reads OWNER/NAME and OWNER/NAME:FILE, and takes nothing else for one', () => {
    for (const [text, repository, file] of [
      ['meta-llama/Llama-3.2-1B', 'meta-llama/Llama-3.2-1B', undefined],
      ['a_b/c.d', 'a_b/c.d', undefined],
      ['TheBloke/x-GGUF:x.Q4_0.gguf', 'TheBloke/x-GGUF', 'x.Q4_0.gguf'],
      ['a/b:c/d:e.gguf', undefined, undefined],
      ['a/b:c/d e.gguf', 'a/b', 'c/d e.gguf'],
    ] as const) {
      if (repository === undefined) assert.throws(() => parseHubName(text), { code: 'ERR_MODEL_FORMAT' })
      else {
        assert.deepEqual(parseHubName(text), { repository, file })
        assert.equal(formatHubName({ repository, file }), text)
      }
    }
    for (const text of [
      'stories',
      './a/b',
      '/a/b',
      'C:/a',
      'a\\b',
      'a/b/',
      'a/b/c',
      '.a/b',
      'a/.b',
      'a//b',
      'a/b\n',
      '',
    ])
      assert.equal(parseHubName(text), undefined)
  })
})

describe('hubSettings', () => {
  it('finds the cache and the token file where huggingface_hub has them', () => {
    const home = (env: Record<string, string>): string[] => {
      const { cache, tokenFile } = hubSettings(env)
      return [cache, tokenFile]
    }
    const usual = join(homedir(), '.cache', 'huggingface')
    assert.deepEqual(home({}), [join(usual, 'hub'), join(usual, 'token')])
    assert.deepEqual(home({ XDG_CACHE_HOME: 'x' }), [
      join('x', 'huggingface', 'hub'),
      join('x', 'huggingface', 'token'),
    ])
    assert.deepEqual(home({ XDG_CACHE_HOME: 'x', HF_HOME: 'h' }), [join('h', 'hub'), join('h', 'token')])
    assert.deepEqual(home({ HF_HOME: join('~', 'h') }), [join(homedir(), 'h', 'hub'), join(homedir(), 'h', 'token')])
    assert.deepEqual(home({ HF_HOME: 'h', HUGGINGFACE_HUB_CACHE: 'old' }), ['old', join('h', 'token')])
    assert.deepEqual(home({ HUGGINGFACE_HUB_CACHE: 'old', HF_HUB_CACHE: 'c', HF_TOKEN_PATH: 't' }), ['c', 't'])
    assert.deepEqual(home({ HF_HOME: '', HF_HUB_CACHE: '' }), [join(usual, 'hub'), join(usual, 'token')])
  })
})

describe('a hub name', () => {
  let at: Scratch
  let folder = ''
  const saved = { home: process.env['HF_HOME'], cwd: process.cwd() }
  before(async () => {
    at = await scratch()
    folder = await realpath(await mkdtemp(join(tmpdir(), 'drafthorse-names-')))
    const read = async (path: string): Promise<Buffer> => readFile(oracle(path))
    at.hub.repositories.set('owner/tiny', {
      commit: firstCommit,
      files: {
        'config.json': await read('hf/gqa-tied-bf16/config.json'),
        'model.safetensors': await read('hf/gqa-tied-bf16/model.safetensors'),
        'gguf/tiny-bf16.gguf': await read('gguf/gqa-tied-bf16.gguf'),
      },
    })
    at.hub.repositories.set('owner/gguf', {
      commit: firstCommit,
      files: { 'a.gguf': await read('gguf/gqa-tied-bf16.gguf') },
    })
    await at.pull('owner/tiny')
    await at.pull('owner/tiny:gguf/tiny-bf16.gguf')
    await at.pull('owner/gguf:a.gguf')
    at.hub.seen.length = 0
    process.env['HF_HOME'] = at.folder
    process.chdir(folder) // where no path looks like a hub name
  })
  after(async () => {
    process.chdir(saved.cwd)
    if (saved.home === undefined) delete process.env['HF_HOME']
    else process.env['HF_HOME'] = saved.home
    await at.close()
    await rm(folder, { recursive: true, force: true })
  })

  it('loads what was pulled, as the folder it came from loads, and asks no server', async () => {
    const ids = [5, 99, 3, 250]
    await using expected = await loadModel(folderOf('gqa-tied-bf16'), { backend: 'reference' })
    const logits = await expected.logits(ids)
    for (const [name, called] of [
      ['owner/tiny', 'tiny'],
      ['owner/tiny:gguf/tiny-bf16.gguf', 'tiny-bf16'],
    ] as const) {
      await using model = await loadModel(name, { backend: 'reference' })
      assert.equal(model.name, called)
      if (name === 'owner/tiny') assert.deepEqual(await model.logits(ids), logits)
    }
    assert.deepEqual(at.hub.seen, [])
  })

  it('gives way to a path', async () => {
    await mkdir(join(folder, 'owner', 'tiny'), { recursive: true })
    try {
      await fails(() => loadModel('owner/tiny'), 'ERR_NOT_FOUND', /has no file "config\.json"/)
    } finally {
      await rm(join(folder, 'owner'), { recursive: true })
    }
  })

  it('that is not there names the command that brings it', async () => {
    await fails(
      () => openFiles('owner/none'),
      'ERR_NOT_FOUND',
      /"owner\/none" is neither a path nor in the Hugging Face cache \(.*\); bring it by "drafthorse pull owner\/none"$/,
    )
    await fails(
      () => openFiles('owner/tiny:b.gguf'),
      'ERR_NOT_FOUND',
      /"owner\/tiny:gguf\/tiny-bf16\.gguf": give that name, or bring it by "drafthorse pull owner\/tiny:b\.gguf"/,
    )
    await fails(
      () => openFiles('owner/gguf'),
      'ERR_NOT_FOUND',
      /Of owner\/gguf there is "owner\/gguf:a\.gguf": give that name/,
    )
    await fails(() => openFiles('owner/tiny:../../x'), 'ERR_MODEL_FORMAT', /stays inside/)
  })

  it('says so where HF_HUB_OFFLINE keeps it from being brought', async () => {
    process.env['HF_HUB_OFFLINE'] = '1'
    try {
      await fails(() => openFiles('owner/none'), 'ERR_NOT_FOUND', /HF_HUB_OFFLINE is set; without it "drafthorse pull/)
    } finally {
      delete process.env['HF_HUB_OFFLINE']
    }
  })

  it('of which the weights are missing says so', async () => {
    const snapshot = join(at.folder, 'hub', 'models--owner--partly', 'snapshots', firstCommit)
    const refs = join(at.folder, 'hub', 'models--owner--partly', 'refs')
    for (const path of [snapshot, refs]) await mkdir(path, { recursive: true })
    await writeFile(join(refs, 'main'), firstCommit)
    await writeFile(join(snapshot, 'config.json'), '{}')
    await fails(() => openFiles('owner/partly'), 'ERR_NOT_FOUND', /without its weights; bring it by "drafthorse pull/)
  })

  it('of which another revision is there alone says where', async () => {
    const entry = join(at.folder, 'hub', 'models--owner--other')
    await mkdir(join(entry, 'snapshots', secondCommit), { recursive: true })
    await fails(
      () => openFiles('owner/other'),
      'ERR_NOT_FOUND',
      /Other revisions are there.*models--owner--other.snapshots.b{40}\. Or bring/,
    )
  })

  it('is not led astray by what refs hold', async () => {
    for (const ref of ['../../../../outside', '', 'main', `${firstCommit}/..`]) {
      const entry = join(at.folder, 'hub', 'models--owner--astray')
      await mkdir(join(entry, 'refs'), { recursive: true })
      await writeFile(join(entry, 'refs', 'main'), ref)
      await fails(() => openFiles('owner/astray'), 'ERR_NOT_FOUND', /drafthorse pull/)
    }
  })

  it('follows links to the contents that huggingface_hub shares between repositories, and to no others', async function () {
    const cache = join(at.folder, 'hub')
    const snapshot = join(cache, 'models--owner--shared', 'snapshots', firstCommit)
    const blobs = join(cache, 'models--owner--shared', 'blobs')
    const hash = `ab${'0'.repeat(62)}`
    for (const path of [snapshot, blobs, join(cache, 'blobs', 'ab')]) await mkdir(path, { recursive: true })
    await writeFile(join(cache, 'blobs', 'ab', hash), '{}')
    await writeFile(join(cache, 'blobs', 'ab', 'note'), 'secret')
    try {
      await symlink(join('..', '..', 'blobs', 'ab', hash), join(blobs, 'cc'))
      await symlink(join('..', '..', 'blobs', 'cc'), join(snapshot, 'config.json'))
      await symlink(join('..', '..', '..', 'blobs', 'ab', 'note'), join(snapshot, 'note'))
    } catch (error) {
      skipUnlessPossible(this, codeOf(error) !== 'EPERM', 'this account may not make symbolic links')
      throw error
    }
    const files = await openFiles(snapshot)
    await fails(() => files.open('config.json'), 'ERR_MODEL_FORMAT', /is a link to/)
    await writeFile(join(cache, 'blobs', '.huggingface-shared-blobs'), '1\n')
    const source = await files.open('config.json')
    assert.equal(source?.size, 2)
    await source.close()
    await fails(() => files.open('note'), 'ERR_MODEL_FORMAT', /is a link to/)
  })
})
