// Runs npm in a child process: the npm that runs these tests if there is one, never through a shell.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/**
 * @param {string[]} args
 * @param {{ cwd: string }} options
 */
export function npm(args, { cwd }) {
  const cli = npmScript()
  const [command, ...first] = cli ? [process.execPath, cli] : ['npm']
  const result = spawnSync(command, [...first, ...args], { cwd, encoding: 'utf8', env: environment() })
  return {
    ok: result.status === 0,
    stdout: result.stdout ?? '',
    stderr: result.error ? String(result.error) : result.stderr,
  }
}

function npmScript() {
  const running = process.env.npm_execpath
  const beside = join(dirname(process.execPath), 'node_modules', 'npm', 'bin', 'npm-cli.js')
  if (running && basename(running) === 'npm-cli.js') return running
  return existsSync(beside) ? beside : undefined
}

/** The environment without what an outer npm says about the package that it runs for. */
function environment() {
  const outer = /^(npm_package_|npm_lifecycle_|npm_command$|npm_config_(local_)?prefix$|init_cwd$)/i
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !outer.test(name)))
}
