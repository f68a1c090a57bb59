// Files by their address: from servers that know ranges and servers that do not, and what they may do wrong.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { loadModel } from 'drafthorse'
import { type ModelFiles, urlFiles } from 'drafthorse/model'
import { openFiles as openInBrowser } from '../../../model/load/files-browser.ts'
import { folderOf, readGolden, stories260K } from '../../checkpoints.ts'
import { fails } from './fixtures.ts'

const MiB = 2 ** 20

interface Served {
  readonly address: string
  /** The ranges that were asked for, by path. */
  readonly asked: readonly (readonly [path: string, range: string | undefined])[]
}

type Answer = (path: string, request: IncomingMessage, response: ServerResponse) => void

/** Runs `body` with a server that answers so. */
async function withServer(answer: Answer, body: (served: Served) => Promise<void>): Promise<void> {
  const asked: (readonly [string, string | undefined])[] = []
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!.slice(1))
    asked.push([path, request.headers.range])
    answer(path, request, response)
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  try {
    await body({ address: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked })
  } finally {
    server.closeAllConnections()
    await new Promise((resolve) => void server.close(resolve))
  }
}

const missing: Answer = (_path, _request, response) => void response.writeHead(404).end()

/** Gives files whole. */
const whole =
  (files: Readonly<Record<string, Uint8Array>>): Answer =>
  (path, request, response) => {
    const bytes = files[path]
    if (bytes) response.writeHead(200).end(bytes)
    else missing(path, request, response)
  }

/** Gives the ranges that are asked for. */
const inRanges =
  (files: Readonly<Record<string, Uint8Array>>): Answer =>
  (path, request, response) => {
    const bytes = files[path]
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '') ?? []
    if (!bytes) return missing(path, request, response)
    if (first === undefined) return whole(files)(path, request, response)
    if (bytes.length === 0) return void response.writeHead(416).end()
    const part = bytes.subarray(Number(first), Number(last) + 1)
    const range = `bytes ${first}-${Number(first) + part.length - 1}/${bytes.length}`
    response.writeHead(206, { 'content-range': range }).end(part)
  }

const pattern = (size: number): Uint8Array => Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255)

async function open(files: ModelFiles, path: string) {
  const source = await files.open(path)
  assert.ok(source, `${path} is there`)
  return source
}

describe('files by their address', () => {
  const big = pattern(9 * MiB + 5)
  for (const [kind, serve] of Object.entries({ whole, inRanges })) {
    it(`are read as they are, given ${kind}`, async () => {
      const files = { 'a/big.bin': big, 'a/small': pattern(10), 'a/none': pattern(0), 'a/odd name#?%.json': pattern(3) }
      await withServer(serve(files), async ({ address }) => {
        const found = urlFiles(`${address}/a/big.bin`)
        assert.deepEqual([found.name, found.file], ['big', 'big.bin'])
        const source = await open(found, 'big.bin')
        assert.equal(source.size, big.length)
        for (const [offset, length] of [
          [0, 10],
          [4 * MiB - 3, 7],
          [MiB, 8 * MiB],
          [big.length - 1, 1],
          [big.length, 0],
        ] as const) {
          assert.ok(Buffer.from(await source.read(offset, length)).equals(big.subarray(offset, offset + length)))
        }
        await fails(() => source.read(big.length, 1), 'ERR_MODEL_FORMAT', /truncated/)
        assert.deepEqual(await (await open(found, 'small')).read(2, 3), pattern(10).subarray(2, 5))
        assert.equal((await open(found, 'none')).size, 0)
        assert.equal((await open(found, 'odd name#?%.json')).size, 3)
        assert.equal(await found.open('not there'), undefined)
      })
    })
  }

  it('are fetched once, piece by piece, as long as they are among the last 64 MiB', async () => {
    await withServer(inRanges({ 'big.bin': big }), async ({ address, asked }) => {
      let told = 0
      const source = await open(urlFiles(`${address}/big.bin`, { onFetch: (bytes) => (told = bytes) }), 'big.bin')
      for (let round = 0; round < 3; round++) await source.read(0, big.length)
      const step = 4 * MiB
      const ranges = [0, 1, 2].map((i) => `bytes=${i * step}-${i === 2 ? big.length - 1 : (i + 1) * step - 1}`)
      assert.deepEqual(
        asked.map(([, range]) => range),
        ranges,
      )
      assert.equal(told, big.length)
    })
    const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`part${i}.bin`, pattern(4 * MiB)]))
    await withServer(inRanges(many), async ({ address, asked }) => {
      const files = urlFiles(`${address}/`)
      for (const path of Object.keys(many)) await (await open(files, path)).read(0, 1)
      await (await open(files, 'part19.bin')).read(0, 1)
      assert.equal(asked.length, 20)
      await (await open(files, 'part0.bin')).read(0, 1)
      assert.equal(asked.length, 21)
    })
  })

  it('are fetched once from a server without ranges, whatever their size and what is read between', async () => {
    const files = { 'huge.gguf': new Uint8Array(70 * MiB), 'big.bin': big, 'small.json': pattern(10) }
    await withServer(whole(files), async ({ address, asked }) => {
      const found = urlFiles(`${address}/huge.gguf`)
      for (let round = 0; round < 3; round++) {
        for (const [path, bytes] of Object.entries(files)) {
          const source = await open(found, path)
          assert.deepEqual(await source.read(bytes.length - 5, 5), bytes.subarray(-5))
          await source.close()
        }
      }
      assert.deepEqual(
        asked.map(([path]) => path),
        Object.keys(files),
      )
    })
  })

  it('are none where a page stands in for them', async () => {
    const page: Answer = (_, __, response) =>
      void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>')
    await withServer(page, async ({ address }) => {
      assert.equal(await urlFiles(`${address}/model`).open('config.json'), undefined)
    })
  })

  it('are none where the server refuses them, which the error for a file that must be there says', async () => {
    const names = ['config.json', 'model.safetensors']
    const files = Object.fromEntries(
      names.map((name) => [`m/${name}`, readFileSync(`${folderOf('llama2-f32')}/${name}`)]),
    )
    const refuses: Answer = (path, request, response) => {
      if (files[path]) inRanges(files)(path, request, response)
      else response.writeHead(403, { 'content-type': 'application/xml' }).end('<Error/>')
    }
    await withServer(refuses, async ({ address }) => {
      await using model = await loadModel(urlFiles(`${address}/m`))
      assert.equal(model.hasTokenizer, false)
      const none = /"(config\.json|x\.gguf)" \(the server answered 403\)/
      await fails(() => loadModel(urlFiles(`${address}/other`)), 'ERR_NOT_FOUND', none)
      await fails(() => loadModel(urlFiles(`${address}/m/x.gguf`)), 'ERR_NOT_FOUND', none)
    })
  })

  it('are asked for with the query of the address, which no message shows', async () => {
    const signed: Answer = (path, request, response) => {
      const [name, query] = path.split('?')
      if (name === 'm/broken') response.destroy()
      else if (query === 'X-Signature=a/b&e=1') inRanges({ 'm/big.bin': big })(name!, request, response)
      else response.writeHead(403).end()
    }
    await withServer(signed, async ({ address }) => {
      for (const start of ['m/big.bin', 'm', 'm/']) {
        const files = urlFiles(`${address}/${start}?X-Signature=a%2Fb&e=1#part`)
        const source = await open(files, 'big.bin')
        assert.deepEqual(await source.read(8 * MiB, 9), big.subarray(8 * MiB, 8 * MiB + 9))
        await fails(
          () => files.open('broken'),
          'ERR_DOWNLOAD',
          /^(?!.*Signature).*broken could not be fetched from .*\/m\//,
        )
      }
    })
  })

  it('are fetched whole from an origin that does not show their size', async () => {
    const hides: Answer = (path, request, response) => {
      if (request.headers.range === undefined) return whole({ 'a.bin': big })(path, request, response)
      response.writeHead(206).end(big.subarray(0, 4 * MiB))
    }
    await withServer(hides, async ({ address }) => {
      const source = await open(urlFiles(`${address}/a.bin`), 'a.bin')
      assert.equal(source.size, big.length)
      assert.ok(Buffer.from(await source.read(5 * MiB, 100)).equals(big.subarray(5 * MiB, 5 * MiB + 100)))
    })
  })

  it('are a typed error where the server fails, is gone, or cuts them', async () => {
    await withServer(
      (_, __, response) => void response.writeHead(503).end(),
      async ({ address }) => {
        await fails(() => urlFiles(`${address}/m/`).open('config.json'), 'ERR_DOWNLOAD', /config\.json .*\/m\/: .*503/)
      },
    )
    await fails(() => urlFiles('http://127.0.0.1:9/m/').open('config.json'), 'ERR_DOWNLOAD', /could not be fetched/)
    const cuts: Answer = (path, request, response) => {
      const later = !request.headers.range?.startsWith('bytes=0-')
      const file = later ? big.subarray(0, 4 * MiB + 9) : big
      inRanges({ 'a.bin': file })(path, request, response)
    }
    await withServer(cuts, async ({ address }) => {
      const source = await open(urlFiles(`${address}/a.bin`), 'a.bin')
      await fails(() => source.read(0, big.length), 'ERR_DOWNLOAD', /9 bytes came of a piece of 4194304/)
    })
  })

  it('are not fetched after an abort', async () => {
    const controller = new AbortController()
    controller.abort()
    await withServer(whole({}), async ({ address }) => {
      const files = urlFiles(`${address}/m/`, { signal: controller.signal })
      await fails(() => files.open('config.json'), 'ERR_ABORTED', /config\.json/)
    })
  })

  it('do not lead out of the folder', () =>
    fails(() => urlFiles('http://localhost/m/').open('../other'), 'ERR_MODEL_FORMAT', /stays inside/))

  it('are a model, of one file or a folder, whose weights are read no more than once', async () => {
    const names = ['config.json', 'model.safetensors', 'golden.json']
    const files = Object.fromEntries(
      names.map((name) => [`m/${name}`, readFileSync(`${folderOf('llama2-f32')}/${name}`)]),
    )
    const bin = readFileSync(stories260K)
    await withServer(inRanges({ ...files, 's.bin': bin }), async ({ address, asked }) => {
      await using model = await loadModel(await openInBrowser(`${address}/m`))
      assert.deepEqual([model.name, model.id], ['m', undefined])
      const { inputIds, cases } = await readGolden('llama2-f32')
      const [{ logits }] = cases.filter(({ name }) => name === 'none') as [(typeof cases)[number]]
      const found = await model.logits(inputIds)
      for (const [i, value] of logits.entries()) assert.ok(Math.abs(found[i]! - value) < 1e-3)
      assert.equal(asked.filter(([path]) => path === 'm/model.safetensors').length, 1)
      await using other = await loadModel(urlFiles(`${address}/s.bin`))
      assert.equal(other.name, 's')
    })
  })

  it('in a browser are what an address names; what is none is an error', () =>
    fails(() => openInBrowser('stories'), 'ERR_NOT_FOUND', /"stories" is not an address/))
})
