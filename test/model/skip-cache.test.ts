// Skip sets in the user's cache folder: found for the same weights alone, damaged or written.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type GenerateOptions, generate, loadModel } from 'drafthorse'
import { convertModel, memorySink, openCheckpoint, parseSkipFile, type SkipSet, saveSkip } from 'drafthorse/model'
import { edited, folderOf } from '../checkpoints.ts'
import { fails } from './load/fixtures.ts'

const skip: SkipSet = { attention: [1, 2], mlp: [2] }
const variables = ['DRAFTHORSE_CACHE', 'XDG_CACHE_HOME'] as const

describe('skip sets in the cache folder', () => {
  const saved = variables.map((name) => [name, process.env[name]] as const)
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-cache-'))
    process.env['DRAFTHORSE_CACHE'] = folder
  })
  afterEach(async () => {
    for (const [name, value] of saved) {
      if (value === undefined) delete process.env[name]
      else process.env[name] = value
    }
    await rm(folder, { recursive: true, force: true })
  })

  /** The model as it is before anything is loaded for it. */
  async function owner(source = folderOf('qwen2')) {
    const checkpoint = await openCheckpoint(source)
    await checkpoint.close()
    return checkpoint
  }

  async function skipOf(source: Parameters<typeof openCheckpoint>[0]): Promise<SkipSet | undefined> {
    const { skip, close } = await openCheckpoint(source)
    await close()
    return skip
  }

  it('are found for the same weights, wherever they lie, and are what drafts leave out then', async () => {
    await saveSkip(await owner(), skip)
    const copy = join(folder, 'a copy')
    await cp(folderOf('qwen2'), copy, { recursive: true })
    await using model = await loadModel(copy, { backend: 'reference' })
    assert.deepEqual(model.skip, skip)
    const { stats } = await generate(model, [5, 6], { maxNewTokens: 4, ignoreEos: true }).result
    assert.deepEqual([stats.draft, stats.skip], ['auto', skip])
    for (const other of ['qwen3', 'mistral'] as const) assert.equal(await skipOf(folderOf(other)), undefined)
    assert.equal(await skipOf(await edited('qwen2', { rms_norm_eps: 1e-5 })), undefined)
  })

  it('come before the set beside the weights, which stands where there is none', async () => {
    const { id, name, config, skip: beside } = await owner('stories')
    assert.deepEqual(beside, { attention: [3, 4, 5, 6, 7, 8, 9, 10, 11], mlp: [3, 4, 5, 6, 7, 8, 9, 10, 11] })
    await saveSkip({ id, name, config }, skip)
    assert.deepEqual(await skipOf('stories'), skip)
  })

  it('are files that the paper reads, with what else is known beside the set; the last one counts', async () => {
    await saveSkip(await owner(), { attention: [], mlp: [0] })
    const model = await owner()
    const path = await saveSkip(model, skip, { acceptanceRate: 0.8, attention: 'never' })
    assert.equal(path, join(folder, 'skip', `${model.id}.json`))
    const content = JSON.parse(await readFile(path, 'utf8'))
    assert.deepEqual(content, {
      format: 'drafthorse/skip@1',
      qwen2: { acceptanceRate: 0.8, id: model.id, ...skip },
    })
    assert.deepEqual(parseSkipFile(content, { where: path, modelName: 'qwen2' }), skip)
    assert.deepEqual(await readdir(join(folder, 'skip')), [`${model.id}.json`])
    for (const name of ['format', '__proto__', 'attention', 'mlp', 'a/b']) {
      await saveSkip({ ...model, name }, skip)
      assert.deepEqual(await skipOf(folderOf('qwen2')), skip, name)
    }
  })

  it('keep what drafting with them costs and brings, but nothing that is no such thing', async () => {
    const model = await owner()
    const prior = {
      costs: [{ backend: 'reference', dtype: 'f32', threads: 1, draft: 0.5, verify: [1, 1.25] }],
      survival: [0.875, 0.75],
    }
    const path = await saveSkip(model, skip, { ...prior, acceptanceRate: 0.9 })
    await using loaded = await loadModel(folderOf('qwen2'), { backend: 'reference', dtype: 'f32' })
    assert.deepEqual([loaded.skip, loaded.skipPrior], [skip, prior])
    assert.deepEqual(loaded.draftCosts, { draft: 0.5, verify: [1, 1.25], survival: [0.875, 0.75] })
    const before = await readFile(path, 'utf8')
    await fails(
      () => saveSkip(model, skip, { survival: [0.5, 0.75] }),
      'ERR_ARGUMENT',
      /details.*"survival"\[1\] is 0\.75/,
    )
    const costs = [{ ...prior.costs[0]!, verify: [] }]
    await fails(() => saveSkip(model, skip, { costs }), 'ERR_ARGUMENT', /"costs\[0\]": "verify" has 0/)
    assert.equal(await readFile(path, 'utf8'), before)
    await writeFile(path, before.replace('0.875', '8.75'))
    await using broken = await loadModel(folderOf('qwen2'), { backend: 'reference' })
    await fails(async () => broken.draftCosts, 'ERR_MODEL_FORMAT', /"survival"\[0\] is 8\.75.*; delete it, or/)
    await fails(async () => broken.skipPrior, 'ERR_MODEL_FORMAT', /"survival"/)
  })

  const damaged: Record<string, [content: string, message: RegExp]> = {
    'that is no JSON': ['{"qwen2"', /is not JSON/],
    'of another version': ['{"format": "drafthorse/skip@9"}', /"drafthorse\/skip@9"; this version reads/],
    'with layers that are not there': ['{"q": {"attention": [4], "mlp": []}}', /attention layer 4; .* 0 to 3/],
    'with nothing in it': ['{}', /no skip set for "qwen2"; it has none at all/],
    'that is too long': [`{"q": "${'x'.repeat(1_000_001)}"}`, /a skip file has 1000000 at most/],
  }
  for (const [what, [content, message]] of Object.entries(damaged)) {
    it(`are refused in a file ${what}, which is named`, async () => {
      const path = await saveSkip(await owner(), skip)
      await writeFile(path, content)
      await using model = await loadModel(folderOf('qwen2'), { backend: 'reference' })
      const told = (options: GenerateOptions = {}) => generate(model, [5, 6], { maxNewTokens: 2, ...options }).result
      const named = new RegExp(path.replaceAll(/[\\.]/g, '\\$&'))
      for (const pattern of [message, named, /; delete it, or keep a set anew \(--save-skip/]) {
        await fails(() => told(), 'ERR_MODEL_FORMAT', pattern)
        await fails(() => told({ draft: 'skip' }), 'ERR_MODEL_FORMAT', pattern)
        await fails(async () => model.skip, 'ERR_MODEL_FORMAT', pattern)
      }
      assert.equal((await told({ draft: 'none' })).stats.draft, 'none')
      assert.deepEqual((await told({ skip })).stats.skip, skip)
      await saveSkip(model, skip)
      assert.deepEqual(await skipOf(folderOf('qwen2')), skip)
    })
  }

  it('leave the set beside the weights to what is converted, where they are damaged', async () => {
    const { skip: beside, ...model } = await owner('stories')
    const path = await saveSkip(model, skip)
    await writeFile(path, '{bad')
    const sink = memorySink('made')
    await convertModel('stories', sink)
    const content = JSON.parse(new TextDecoder().decode(sink.files['skip_layers.json']))
    assert.deepEqual(parseSkipFile(content, { where: 'skip_layers.json', modelName: 'made' }), beside)
  })

  it('are refused where a folder stands, and are none where the cache cannot be looked into', async () => {
    const model = await owner()
    const path = await saveSkip(model, skip)
    await rm(path)
    await mkdir(path)
    assert.match((await owner()).skipProblem?.message ?? '', /is not a file/)
    await rm(folder, { recursive: true })
    await writeFile(folder, 'a file')
    assert.equal(await skipOf(folderOf('qwen2')), undefined)
  })

  it('are written whole or not at all', async () => {
    const model = await owner()
    await fails(() => saveSkip(model, { attention: [4], mlp: [] }), 'ERR_ARGUMENT', /attention layer 4/)
    await fails(() => saveSkip({ ...model, id: undefined }, skip), 'ERR_ARGUMENT', /no id/)
    assert.deepEqual(await readdir(folder), [])
    // What stands in the way of the last step leaves no temporary file either.
    await mkdir(join(folder, 'skip', `${model.id}.json`, 'in the way'), { recursive: true })
    await fails(() => saveSkip(model, skip), 'ERR_ARGUMENT', /cannot be written.*DRAFTHORSE_CACHE/)
    assert.deepEqual(await readdir(join(folder, 'skip')), [`${model.id}.json`])

    const blocked = join(folder, 'a file')
    await writeFile(blocked, '')
    process.env['DRAFTHORSE_CACHE'] = blocked
    await fails(() => saveSkip(model, skip), 'ERR_ARGUMENT', /a file.*cannot be written/)
  })

  it("go where XDG_CACHE_HOME says, or the system's cache folder is", () => {
    const script = `
      const { openCheckpoint, saveSkip } = await import('drafthorse/model')
      const model = await openCheckpoint(${JSON.stringify(folderOf('qwen2'))})
      console.log(await saveSkip(model, { attention: [], mlp: [0] }))
      await model.close()`
    const kept = (env: Record<string, string>) => {
      const { DRAFTHORSE_CACHE: _, ...rest } = process.env
      const settings = { env: { ...rest, ...env }, encoding: 'utf8' } as const
      const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], settings)
      assert.equal(status, 0, stderr)
      return stdout.trim()
    }
    const xdg = join(folder, 'xdg')
    assert.ok(kept({ XDG_CACHE_HOME: xdg }).startsWith(join(xdg, 'drafthorse', 'skip')))
    const home = join(folder, 'home')
    const moved = { HOME: home, USERPROFILE: home, LOCALAPPDATA: join(home, 'AppData', 'Local') }
    const usual = { darwin: 'Library/Caches', win32: 'AppData/Local' }[process.platform as string] ?? '.cache'
    for (const relative of ['', 'not/absolute']) {
      const path = kept({ ...moved, XDG_CACHE_HOME: relative })
      assert.ok(path.startsWith(join(home, usual, 'drafthorse', 'skip')), path)
    }
    assert.notEqual(homedir(), home)
  })
})
