// Runs a trial in a process of its own: Dawn takes its drivers from the environment that a process starts with.
import { fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { peers } from '../engine/tfjs/peers.ts'
import type { Launch } from './remote.ts'
import type { TrialEvent, TrialKey } from './trial.ts'

/** Launches a trial in a child with more in its environment. */
export function inChild(key: TrialKey, environment: Readonly<Record<string, string>>): Launch {
  return async ({ tell, gone }) => {
    const child = fork(fileURLToPath(new URL('child-main.ts', import.meta.url)), [key], {
      cwd: peers,
      env: { ...process.env, ...environment },
      // Absolute: the child looks from test/peers.
      execArgv: ['--import', pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    const kill = (): void => void child.kill('SIGKILL')
    const interrupted = (): never => process.exit(130)
    process.once('exit', kill)
    process.once('SIGINT', interrupted)
    process.once('SIGTERM', interrupted)
    let errors = ''
    child.stderr!.on('data', (chunk) => {
      errors = `${errors}${chunk}`.slice(-2000)
    })
    child.on('message', (event) => tell(event as TrialEvent)) // child-main.ts sends nothing else
    child.on('error', (error) => gone(String(error)))
    const exited = new Promise<void>((resolve) => {
      child.on('exit', (code, signal) => {
        process.off('exit', kill)
        process.off('SIGINT', interrupted)
        process.off('SIGTERM', interrupted)
        gone(`its process ended with ${signal ?? code} ${errors}`.trim())
        resolve()
      })
    })
    return async () => {
      kill()
      await exited
    }
  }
}
