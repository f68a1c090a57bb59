// Installs test/peers where it is missing or its lock file has changed. Offline, the tests that need it are skipped.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { npm } from './npm.mjs'

const folder = fileURLToPath(new URL('.', import.meta.url))
const required = process.env.DRAFTHORSE_REQUIRE_ALL === '1'
const stampFile = join(folder, 'node_modules', '.stamp')
const manifest = readFileSync(join(folder, 'package.json'), 'utf8')
const lock = readFileSync(join(folder, 'package-lock.json'), 'utf8')
const stamp = createHash('sha256').update([process.platform, process.arch, manifest, lock].join('\n')).digest('hex')

if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
  console.log('test/peers: up to date')
} else {
  const began = performance.now()
  const failure = install()
  if (failure === undefined) {
    writeFileSync(stampFile, stamp)
    console.log(`test/peers: installed in ${((performance.now() - began) / 1000).toFixed(1)} s`)
  } else if (required) {
    console.error(`test/peers: not installed: ${failure}`)
    process.exitCode = 1
  } else {
    console.log(`test/peers: not installed, tests that need them will be skipped: ${failure}`)
  }
}

// Apart from the packages: they take tools that a machine may lack, and what they made stays.
for (const [script, tests, possible] of [
  ['build-tensorflow.sh', 'on TensorFlow', process.platform === 'linux' && process.arch === 'x64'],
  ['fetch-smollm2.sh', 'of SmolLM2', process.platform !== 'win32'],
]) {
  const { status, error, stderr } = spawnSync('bash', [join(folder, script)], { encoding: 'utf8' })
  if (status === 0) continue
  console.log(`test/peers: tests ${tests} will be skipped: ${error?.message ?? stderr.trim().split('\n').at(-1)}`)
  if (required && possible) process.exitCode = 1
}

/** Returns what went wrong, in one line, or undefined. */
function install() {
  // No script of a dependency runs, and no `node` of theirs may shadow the one on the path.
  const flags = ['--ignore-scripts', '--no-bin-links', '--prefer-offline', '--no-audit', '--no-fund']
  if (!required) flags.push('--fetch-retries=1', '--fetch-retry-mintimeout=1000')
  const { ok, stdout, stderr } = npm(['ci', ...flags], { cwd: folder })
  if (!ok) return reasonIn(stderr) ?? reasonIn(stdout) ?? 'npm ci failed'
  // npm passes over an optional package that it cannot download, so look at what is there.
  const ours = `-${process.platform}-${process.arch}`
  const missing = Object.keys(JSON.parse(manifest).optionalDependencies).filter(
    (name) => name.endsWith(ours) && !existsSync(join(folder, 'node_modules', name, 'bin')),
  )
  return missing.length > 0 ? `npm could not download ${missing.join(', ')}` : undefined
}

function reasonIn(text) {
  return text
    .split(/\r?\n/)
    .find((line) => line.startsWith('npm error '))
    ?.slice('npm error '.length)
}
