// Runs the built command line in a process of its own.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Runs the program to its end, in the folder `cwd`, with `env` over the environment; `onOutput` sees standard output grow,
 * and `onStart` gets what sends signals.
 */
export function run(
  args: readonly string[],
  {
    input = '',
    cwd,
    env,
    onOutput,
    onStart,
  }: {
    input?: string
    cwd?: string
    env?: Readonly<Record<string, string>>
    onOutput?: (all: string, kill: (signal: NodeJS.Signals) => void) => void
    onStart?: (kill: (signal: NodeJS.Signals) => void) => void
  } = {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], { cwd, env: { ...process.env, FORCE_COLOR: '', ...env } })
    onStart?.((signal) => void child.kill(signal))
    const ended = { stdout: '', stderr: '' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      ended.stdout += text
      onOutput?.(ended.stdout, (signal) => void child.kill(signal))
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
