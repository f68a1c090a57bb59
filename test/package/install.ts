// Packs the package and installs it, without scripts, into an app of its own: what a user gets.
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { npm } from '../peers/npm.mjs'
import { readJson, root } from './files.ts'

export interface InstalledPackage {
  /** The folder of the app, an empty module but for the package. */
  readonly app: string
  /** The folder of the package in it. */
  readonly installed: string
  /** The paths of the files that were packed. */
  readonly packed: readonly string[]
  /** Why npm could not install it, a network that is not there for example, or nothing. */
  readonly failure: string | undefined
}

/** Works in `folder`, which the caller removes. */
export function installPacked(folder: string): InstalledPackage {
  const pack = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: root })
  assert.ok(pack.ok, pack.stderr)
  const listing = JSON.parse(pack.stdout)
  const { filename, files } = Array.isArray(listing) ? listing[0] : Object.values(listing)[0]
  const app = join(folder, 'app')
  mkdirSync(app)
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }))
  const flags = ['--omit=dev', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  const install = npm(['install', ...flags, join(folder, filename)], { cwd: app })
  return {
    app,
    installed: join(app, 'node_modules', readJson('package.json').name),
    packed: files.map((file: { path: string }) => file.path),
    failure: install.ok ? undefined : `npm could not install the packed package: ${install.stderr.trim().slice(-300)}`,
  }
}
