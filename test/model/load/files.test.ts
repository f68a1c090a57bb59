// Model files on disk and in memory: what opens, and which names and links are refused.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { pathToFileURL } from 'node:url'
import { checkFileName, type ModelFiles, memoryFiles } from '../../../model/load/files.ts'
import { openFiles } from '../../../model/load/files-node.ts'
import { skipUnlessPossible } from '../../skip.ts'
import { codeOf, fails, json } from './fixtures.ts'

const hostileNames = [
  '../x',
  '..',
  'a/../../x',
  'a/..',
  './x',
  '/etc/passwd',
  '//host/share',
  'a//b',
  'a/',
  '',
  '..\\x',
  'a\\b',
  'C:\\x',
  'C:x',
  'C:/x',
  'file:///x',
  'x:stream',
  'x\0.safetensors',
  'x\n',
]

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'drafthorse-files-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

async function text(files: ModelFiles, path: string): Promise<string | undefined> {
  const source = await files.open(path)
  if (!source) return undefined
  const bytes = await source.read(0, source.size)
  await source.close()
  return new TextDecoder().decode(bytes)
}

/** Makes a link, or skips the test where the system does not let one. */
async function link(context: Mocha.Context, target: string, path: string): Promise<void> {
  try {
    await symlink(target, path)
  } catch (error) {
    skipUnlessPossible(context, codeOf(error) !== 'EPERM', 'this account may not make symbolic links')
    throw error
  }
}

describe('checkFileName', () => {
  it('lets names through that stay inside the folder', () => {
    for (const name of ['a', 'model-00001-of-00003.safetensors', 'a/b.bin', '..a', 'a..', 'é 中'])
      checkFileName(name, 'index')
  })

  it('refuses all others, quoting them', async () => {
    for (const name of hostileNames)
      await fails(() => checkFileName(name, 'the index'), 'ERR_MODEL_FORMAT', /the index names the file "/)
  })
})

describe('openFiles', () => {
  it('opens a folder by path, by a path with a slash, by a relative path, by URL and its text, named after the folder', async () => {
    const model = join(folder, 'tiny-llama.v1')
    await mkdir(join(model, 'sub'), { recursive: true })
    await writeFile(join(model, 'config.json'), '{}')
    await writeFile(join(model, 'sub', 'x'), 'inside')
    const url = pathToFileURL(`${model}/`)
    for (const path of [model, `${model}/`, relative(process.cwd(), model), url, url.href]) {
      const files = await openFiles(path)
      assert.deepEqual([files.name, files.file], ['tiny-llama.v1', undefined])
      assert.equal(await text(files, 'config.json'), '{}')
      assert.equal(await text(files, 'sub/x'), 'inside')
      assert.equal(await text(files, 'absent'), undefined)
      assert.equal(await text(files, 'config.json/x'), undefined)
    }
  })

  it('opens one file, named without its extension, and those beside it; model.safetensors is named after its folder', async () => {
    await writeFile(join(folder, 'stories.v2.bin'), 'weights')
    await writeFile(join(folder, 'model.safetensors'), 'weights')
    await writeFile(join(folder, 'tok.bin'), 'tokens')
    const files = await openFiles(join(folder, 'stories.v2.bin'))
    assert.deepEqual([files.name, files.file], ['stories.v2', 'stories.v2.bin'])
    assert.equal(await text(files, 'stories.v2.bin'), 'weights')
    assert.equal(await text(files, 'tok.bin'), 'tokens')
    assert.ok(folder.endsWith((await openFiles(join(folder, 'model.safetensors'))).name))
  })

  it('says what is missing', async () => {
    await fails(() => openFiles(join(folder, 'none')), 'ERR_NOT_FOUND', /none/)
    for (const path of ['', 'a\0b']) await fails(() => openFiles(path), 'ERR_NOT_FOUND', /there is no file or folder/)
    await fails(() => openFiles('./some/folder'), 'ERR_NOT_FOUND', /"\.\/some\/folder"$/)
    await fails(() => openFiles('file://%2f/m'), 'ERR_NOT_FOUND', /"file:\/\/%2f\/m" names no file: /)
  })

  it('says of an address how to load from it', async () => {
    const hint = /" is an address, .*"drafthorse pull OWNER\/NAME".* urlFiles\(address\) of drafthorse\/model/
    for (const address of ['https://example.org/m/', 'HTTP://example.org/m.gguf', new URL('https://example.org/m')]) {
      await fails(() => openFiles(address), 'ERR_NOT_FOUND', hint)
    }
    await fails(() => openFiles(new URL('data:,x')), 'ERR_NOT_FOUND', hint)
  })

  it('refuses names that leave the folder, and folders in place of files', async () => {
    await mkdir(join(folder, 'm', 'sub'), { recursive: true })
    await writeFile(join(folder, 'x'), 'secret')
    const files = await openFiles(join(folder, 'm'))
    for (const name of hostileNames) await fails(() => files.open(name), 'ERR_MODEL_FORMAT', /stays inside/)
    await fails(() => files.open('sub'), 'ERR_MODEL_FORMAT', /sub is not a file/)
  })

  it('follows links inside the folder and refuses those that leave it', async function () {
    const model = join(folder, 'm')
    await mkdir(join(model, 'sub'), { recursive: true })
    await mkdir(join(folder, 'm2'))
    for (const path of ['x', 'm2/x', 'm/sub/y']) await writeFile(join(folder, path), path)
    await link(this, join('sub', 'y'), join(model, 'inside'))
    await link(this, join('..', 'x'), join(model, 'outside'))
    await link(this, join(folder, 'm2', 'x'), join(model, 'sibling'))
    await link(this, join('..', 'm2'), join(model, 'folder'))
    await link(this, 'nowhere', join(model, 'dangling'))
    const files = await openFiles(model)
    assert.equal(await text(files, 'inside'), 'm/sub/y')
    for (const name of ['outside', 'sibling', 'folder/x'])
      await fails(() => files.open(name), 'ERR_MODEL_FORMAT', /is a link to .*outside/)
    assert.equal(await text(files, 'dangling'), undefined)
  })

  it('follows links that the caller named', async function () {
    await mkdir(join(folder, 'real'))
    await writeFile(join(folder, 'real', 'a.bin'), 'weights')
    await link(this, 'real', join(folder, 'alias'))
    await link(this, join('real', 'a.bin'), join(folder, 'b.bin'))
    assert.equal(await text(await openFiles(join(folder, 'alias')), 'a.bin'), 'weights')
    assert.equal(await text(await openFiles(join(folder, 'b.bin')), 'b.bin'), 'weights')
  })

  it('opens a snapshot in a Hugging Face cache, whose files are links to blobs, under its name', async function () {
    const entry = join(folder, 'hub', 'models--owner--tiny-llama')
    const snapshot = join(entry, 'snapshots', '0123abc')
    await mkdir(snapshot, { recursive: true })
    await mkdir(join(entry, 'blobs'))
    await writeFile(join(entry, 'blobs', 'ff'), 'blob')
    await writeFile(join(folder, 'hub', 'token'), 'secret')
    await link(this, join('..', '..', 'blobs', 'ff'), join(snapshot, 'config.json'))
    await link(this, join('..', '..', '..', 'token'), join(snapshot, 'evil.json'))
    const files = await openFiles(snapshot)
    assert.equal(files.name, 'tiny-llama')
    assert.equal(await text(files, 'config.json'), 'blob')
    await fails(() => files.open('evil.json'), 'ERR_MODEL_FORMAT', /is a link to/)
  })

  it('reads ranges, and refuses those that the file does not have, before taking memory', async () => {
    await writeFile(
      join(folder, 'x'),
      Uint8Array.from({ length: 100 }, (_, i) => i),
    )
    const source = await (await openFiles(folder)).open('x')
    assert.ok(source)
    assert.equal(source.size, 100)
    assert.deepEqual([...(await source.read(7, 3))], [7, 8, 9])
    assert.equal((await source.read(100, 0)).length, 0)
    for (const [offset, length] of [
      [98, 3],
      [101, 0],
      [-1, 2],
      [0, -1],
      [0, 1.5],
      [0, 2 ** 50],
      [2 ** 53, 1],
    ] as const) {
      await fails(() => source.read(offset, length), 'ERR_MODEL_FORMAT', /x has 100 bytes/)
    }
    await truncate(join(folder, 'x'), 50)
    await fails(() => source.read(40, 20), 'ERR_MODEL_FORMAT', /ends at 50/)
    await source.close()
    await source.close()
    await fails(() => source.read(0, 1), 'ERR_DISPOSED', /closed/)
  })
})

describe('memoryFiles', () => {
  it('opens its entries, and refuses the names that a folder refuses', async () => {
    const files = memoryFiles('tiny', { 'a.bin': json('abc'), 'sub/x': json('x') }, { file: 'a.bin' })
    assert.deepEqual([files.name, files.file], ['tiny', 'a.bin'])
    assert.equal(await text(files, 'a.bin'), 'abc')
    assert.equal(await text(files, 'sub/x'), 'x')
    for (const name of ['b', 'toString', '__proto__']) assert.equal(await text(files, name), undefined)
    for (const name of hostileNames) await fails(() => files.open(name), 'ERR_MODEL_FORMAT', /stays inside/)
    const source = await files.open('a.bin')
    await fails(() => source?.read(1, 3), 'ERR_MODEL_FORMAT', /a\.bin has 3 bytes/)
  })
})
