// Loading TensorFlow.js in Node: from the folder of the user's project, or from beside this package. Chosen by the
// package's "#tfjs" import; platform-browser.ts is its counterpart.

import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import util from 'node:util'
import { dawnHint, hasAdapter, hasWebgpu, noAdapter, ownRequires, resolved, startDawn } from '../dawn-node.ts'
import { BackendUnavailableError } from '../errors.ts'
import { asTf, installHint, type Loaded, type Platform, packagesOf, type TfjsName } from './load.ts'

export const platform: Platform = {
  async unavailable(name) {
    if (name === 'webgl') return 'WebGL is in browsers only'
    const places = find(name)
    if (places.length === 0) return installHint(name)
    if (name === 'tensorflow') {
      const reasons = places.map(missingLibrary)
      return reasons.every((reason) => reason !== undefined) ? reasons.join('; ') : undefined
    }
    if (name !== 'webgpu' || hasWebgpu()) return undefined
    const [withDawn] = find(name, ['webgpu'])
    if (!withDawn) return dawnHint
    return (await hasAdapter(withDawn.require.resolve('webgpu'))) ? undefined : noAdapter
  },

  async load(name, { threads }) {
    const places = find(name, name === 'webgpu' && !hasWebgpu() ? ['webgpu'] : [])
    if (places.length === 0) throw new BackendUnavailableError(installHint(name))
    if (name === 'tensorflow') return loadTensorflow(places, threads)
    if (name === 'webgpu' && !hasWebgpu()) await startDawn(places[0]!.require.resolve('webgpu'))
    return loadFrom(places[0]!)
  },

  tensorflowThreads: () => Number(process.env[threadsVariable]) || availableParallelism(),
}

/** Packages, and where from they are found. */
interface Place {
  readonly packages: readonly string[]
  readonly require: NodeJS.Require
}

/** Where the packages of a backend are, the best first; each time all in one place, so that they share one tfjs-core. */
function find(name: TfjsName, more: readonly string[] = []): Place[] {
  const found = new Map<string, Place>()
  for (const packages of packagesOf[name]) {
    for (const require of requires()) {
      const paths = [...packages, ...more].map((wanted) => resolved(require, wanted))
      if (!paths.every((path) => path !== undefined) || found.has(paths.join())) continue
      found.set(paths.join(), { packages, require })
    }
  }
  return [...found.values()]
}

/** From the user's project, from here, and from tfjs-node, which comes with the packages of other backends. */
function requires(): NodeJS.Require[] {
  const own = ownRequires()
  const inside = packagesOf.tensorflow.flat().flatMap((name) =>
    own.flatMap((require) => {
      const tfjsNode = resolved(require, name)
      const tfjs = tfjsNode && resolved(createRequire(tfjsNode), '@tensorflow/tfjs')
      return tfjs ? [createRequire(tfjs)] : []
    }),
  )
  return [...own, ...inside]
}

function loadFrom({ packages, require }: Place): Loaded {
  return quietly(() => {
    const modules = new Map(packages.map((wanted) => [wanted, require(wanted) as unknown]))
    return { tf: asTf(modules.get(packages[0]!)), modules, failures: [] }
  })
}

/** Packages that could not be loaded, and why. */
const failed = new Map<string, string>()

/** The first of these packages that can be loaded, unless one is already. Throws {@link BackendUnavailableError}. */
function loadTensorflow(places: readonly Place[], threads: number | undefined): Loaded {
  const pathOf = ({ packages, require }: Place): string => require.resolve(packages[0]!)
  if (!places.some((place) => place.require.cache[pathOf(place)])) prepareTensorflow(threads)
  const failures: string[] = []
  for (const place of places) {
    const path = pathOf(place)
    const known = missingLibrary(place) ?? failed.get(path)
    if (known === undefined) {
      try {
        return { ...loadFrom(place), failures }
      } catch (error) {
        const [reason] = (error instanceof Error ? error.message : String(error)).split('\n')
        failed.set(path, `${place.packages[0]} cannot be loaded (${reason})`)
      }
    }
    failures.push(known ?? failed.get(path)!)
  }
  throw new BackendUnavailableError(`${failures.join('; ')}; ${installHint('tensorflow')}`)
}

/** Says where the package was installed without the library that its installation fetches or builds. */
function missingLibrary({ packages, require }: Place): string | undefined {
  const [name] = packages as readonly [string]
  const library = join(dirname(require.resolve(`${name}/package.json`)), 'lib')
  const folders = existsSync(library) ? readdirSync(library) : []
  if (folders.some((folder) => existsSync(join(library, folder, 'tfjs_binding.node')))) return undefined
  return `${name} was installed without its library (lib/napi-v8/tfjs_binding.node): run "npm rebuild ${name}"`
}

/** Set before the library is loaded, and left alone from then on: so it says what was read. */
const threadsVariable = 'TF_NUM_INTRAOP_THREADS'

/** What TensorFlow and its binding read when they are loaded, and never again. */
function prepareTensorflow(threads: number | undefined): void {
  const { env } = process
  env['TF_CPP_MIN_LOG_LEVEL'] ??= '2'
  // Sums in full f32, and memory as it is needed; both only count on NVIDIA GPUs.
  env['NVIDIA_TF32_OVERRIDE'] ??= '0'
  env['TF_FORCE_GPU_ALLOW_GROWTH'] ??= 'true'
  if (threads !== undefined) {
    env[threadsVariable] = String(threads)
    env['TF_NUM_INTEROP_THREADS'] = '1'
  }
  // tfjs-node 4.22 calls two functions that Node 23 dropped.
  const old = util as { isNullOrUndefined?: (value: unknown) => boolean; isArray?: (value: unknown) => boolean } // gone from the types of newer Nodes
  old.isNullOrUndefined ??= (value) => value === null || value === undefined
  old.isArray ??= Array.isArray
}

/** Standard output belongs to the program that calls us. */
function quietly(load: () => Loaded): Loaded {
  const { log, info } = console
  console.log = console.error
  console.info = console.error
  try {
    return load()
  } finally {
    console.log = log
    console.info = info
  }
}
