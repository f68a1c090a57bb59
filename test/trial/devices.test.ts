// The backends that run elsewhere: WebGPU on Dawn in a child process, and in a headless Chromium all that
// browsers have. WebGPU and WebGL compute with SwiftShader. Their trials go on in the background, one after the other, while the other tests run.
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { defaultSeed } from 'drafthorse/conformance'
import { peers } from '../engine/tfjs/peers.ts'
import { golden } from '../golden.ts'
import { skipUnless, skipUnlessPossible } from '../skip.ts'
import { inBrowser, missingChromium, swiftShader } from './browser.ts'
import { inChild } from './child.ts'
import { type Launch, type Remote, startRemote } from './remote.ts'
import { type TrialKey, trialNames } from './trial.ts'

interface Place {
  readonly key: TrialKey
  readonly where: string
  launch(scratch: string): Launch
}

const places: readonly Place[] = [
  onDawn('webgpu in brief'),
  onDawn('webgpu tiled'),
  onDawn('tfjs:webgpu tiled'),
  inChromium('webgpu'),
  inChromium('tfjs:webgl'),
  inChromium('tfjs:webgpu'),
  inChromium('tfjs:wasm'),
  inChromium('tfjs:cpu'),
  onDawn('gpujs:webgpu in brief'),
  inChromium('gpujs:webgpu'),
  inChromium('gpujs:gl'),
]

function onDawn(key: TrialKey): Place {
  return { key, where: 'Dawn', launch: (scratch) => inChild(key, swiftShader(scratch)) }
}

function inChromium(key: TrialKey): Place {
  return { key, where: 'Chromium', launch: () => inBrowser(key) }
}

/** Where Dawn computes it is not asked whether it can: it has a driver in the child only. */
function reasonToSkip({ key, where }: Place): string | undefined {
  const library = key.startsWith('gpujs:')
    ? ['gpu.js']
    : key.startsWith('tfjs:')
      ? ['@tensorflow/tfjs-backend-webgpu']
      : []
  const packages = where === 'Dawn' ? ['webgpu', ...library] : []
  const lacking = packages.find((name) => !existsSync(join(peers, 'node_modules', name)))
  return missingChromium() ?? (lacking && `${lacking} is not installed in test/peers`)
}

/** Trials that were started, and the end of the last one. */
const remotes = new Map<Place, Promise<Remote>>()
let busy: Promise<unknown> = Promise.resolve()
let scratch = ''

/** Starts a trial when those before it have ended. */
function start(place: Place): Promise<Remote> {
  const known = remotes.get(place)
  if (known) return known
  if (!scratch) {
    scratch = mkdtempSync(join(tmpdir(), 'drafthorse-'))
    process.once('exit', () => rmSync(scratch, { recursive: true, force: true }))
  }
  const remote = busy.then(() => startRemote(place.launch(scratch), { names: trialNames(place.key) }))
  remotes.set(place, remote)
  busy = remote.then(({ ended }) => ended)
  return remote
}

// Before all other tests, where all are run: with a filter each suite starts its own.
before(async () => {
  if (process.env['DRAFTHORSE_FULL_RUN'] !== '1') return
  for (const place of places) if (!reasonToSkip(place)) void start(place)
})

after(async () => {
  for (const remote of remotes.values()) await (await remote).end()
})

for (const place of places) {
  describe(`${place.key} in ${place.where}, seed ${defaultSeed}`, function () {
    this.timeout(1_800_000)
    let remote: Remote | undefined
    before(async function () {
      const reason = reasonToSkip(place)
      if (process.platform !== 'linux') skipUnlessPossible(this, !reason, `${reason}`)
      skipUnless(this, !reason, `${reason}`)
      remote = await start(place)
    })
    after(async () => {
      if (remote) console.log(`      it took ${(await remote.end()).toFixed(0)} s`)
    })

    it('promises row invariance, and says that software computes', async () => {
      const { rowInvariant, kind, device } = await remote!.opened
      console.log(`      ${device}`)
      assert.equal(rowInvariant, true)
      assert.equal(kind, 'software')
    })

    for (const name of trialNames(place.key)) {
      it(name, async function () {
        const { outcome, golden: compared } = await remote!.outcome(name)
        if (outcome.status === 'skipped') skipUnlessPossible(this, false, outcome.message)
        assert.equal(outcome.status, 'ok', 'message' in outcome ? outcome.message : undefined)
        if (compared) golden(compared)
      })
    }
  })
}
