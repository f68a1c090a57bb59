// Runs the built command line in a process of its own.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

type Kill = (signal: NodeJS.Signals) => void

/** Runs the program to its end, in the folder `cwd`, with `env` added to its environment; `onOutput` sees standard output grow. */
export function run(
  args: readonly string[],
  {
    input = '',
    cwd,
    env,
    onStart,
    onOutput,
  }: {
    input?: string
    cwd?: string
    env?: Record<string, string>
    onStart?: (kill: Kill) => void
    onOutput?: (all: string, kill: Kill) => void
  } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, FORCE_COLOR: '', ...env } })
    const kill: Kill = (signal) => void child.kill(signal)
    onStart?.(kill)
    const ended = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      ended.stdout += text
      onOutput?.(ended.stdout, kill)
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      ended.stderr += text
    })
    child.stdin.on('error', () => {}) // a program that fails at once does not read its input
    child.stdin.end(input)
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...ended }))
  })
}
