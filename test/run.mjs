// Runs mocha and passes its arguments on. Without arguments the run is full, and must compare at least one golden case.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const mocha = fileURLToPath(new URL('../node_modules/mocha/bin/mocha.js', import.meta.url))
const args = process.argv.slice(2)
const env = { ...process.env }
if (args.length === 0) env.DRAFTHORSE_FULL_RUN = '1'
else delete env.DRAFTHORSE_FULL_RUN

const child = spawn(process.execPath, [mocha, ...args], { cwd: root, env, stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  if (signal) console.error(`mocha was ended by ${signal}`)
  process.exitCode = code ?? 1
})
