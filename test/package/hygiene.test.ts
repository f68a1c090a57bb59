// What must not be in the repository, and what must be: no machine's paths, no registry, every licence known and named.
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { projectFiles, read, readJson, root } from './files.ts'

const allowedLicences = ['MIT', 'Apache-2.0', 'ISC', '0BSD', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0']
const maxRuntimePackages = 8

/** The packages that an installation brings, with those they bring in turn: `node_modules/NAME` in the lock file. */
function runtimePackages(): string[] {
  const packages: Record<string, { dev?: boolean; devOptional?: boolean }> = readJson('package-lock.json').packages
  return Object.entries(packages)
    .filter(([path, entry]) => path !== '' && !entry.dev && !entry.devOptional)
    .map(([path]) => path)
}

/** `path:line: text` of every line of a text file of the project that matches. */
function linesWith(pattern: RegExp): string[] {
  return projectFiles().flatMap((path) => {
    const bytes = readFileSync(join(root, path))
    if (bytes.subarray(0, 8192).includes(0)) return []
    const text = bytes.toString('utf8')
    if (!pattern.test(text)) return []
    return text
      .split('\n')
      .flatMap((line, i) => (pattern.test(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 120)}`] : []))
  })
}

describe('hygiene', () => {
  it('no file names a path of one machine', () => {
    const home = /(?<![\w.~:/*-])\/(?:home|root|Users|work|workspace|mnt)\/\w|\b[A-Z]:\\+Users\\/
    assert.match(['cd ', 'home', 'someone'].join('/'), home)
    assert.deepEqual(linesWith(home), [])
  })

  it('no file names a package registry', () => {
    const registry = /\bhttps?:\/\/[^\s"'/]*(?:registry|artifactory|nexus|verdaccio|npmmirror)[^\s"'/]*/i
    assert.match(['https:', '//registry.example.org/x'].join(''), registry)
    assert.deepEqual(linesWith(registry), [])
  })

  for (const folder of ['', 'test/peers/']) {
    it(`${folder}package-lock.json holds no address and an integrity for every package`, () => {
      const packages: Record<string, { resolved?: string; integrity?: string }> = readJson(
        `${folder}package-lock.json`,
      ).packages
      const installed = Object.entries(packages).filter(([path]) => path !== '')
      assert.ok(installed.length > 0)
      assert.deepEqual(
        installed.filter(([, entry]) => entry.resolved !== undefined || !entry.integrity).map(([path]) => path),
        [],
      )
      assert.match(read(`${folder}.npmrc`), /^omit-lockfile-registry-resolved=true$/m)
    })
  }

  for (const folder of ['', 'test/peers/']) {
    it(`${folder}package-lock.json names the packages of every platform, so that npm ci works on each`, () => {
      const packages: Record<string, { optionalDependencies?: Record<string, string> }> = readJson(
        `${folder}package-lock.json`,
      ).packages
      const missing = Object.values(packages)
        .flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}))
        .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)))
      assert.deepEqual(missing, [])
    })
  }

  it(`an installation brings at most ${maxRuntimePackages} packages`, () => {
    assert.ok(runtimePackages().length <= maxRuntimePackages, runtimePackages().join(', '))
  })

  it('every runtime package has an allowed licence and is named in NOTICE.md', () => {
    const notice = read('NOTICE.md')
    for (const path of runtimePackages()) {
      const { name, license } = readJson(`${path}/package.json`)
      assert.ok(allowedLicences.includes(license), `${name} is under ${license}`)
      assert.ok(notice.includes(name) && notice.includes(license), `NOTICE.md does not name ${name} with ${license}`)
    }
  })

  it('has the files that a stranger looks for', () => {
    const wanted = ['README.md', 'LICENSE', 'NOTICE.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'SECURITY.md']
    assert.deepEqual(
      wanted.filter((path) => !existsSync(join(root, path))),
      [],
    )
    const { version } = readJson('package.json')
    assert.ok(read('CHANGELOG.md').includes(`## [${version}]`), `CHANGELOG.md has no entry for ${version}`)
  })

  it('no runtime package runs a script when it is installed', () => {
    const packages: Record<string, { hasInstallScript?: boolean }> = readJson('package-lock.json').packages
    assert.deepEqual(
      runtimePackages().filter((path) => packages[path]?.hasInstallScript),
      [],
    )
  })
})
