// Checks an acceptance by rejection: npx tsx docs/exercises/check-rejection.ts docs/exercises/rejection.ts

import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Accept, checks } from './rejection-checks.ts'

async function main([path]: readonly string[]): Promise<void> {
  if (path === undefined) throw new Error('usage: npx tsx docs/exercises/check-rejection.ts MODULE')
  const { default: accept }: { default?: Accept } = await import(pathToFileURL(resolve(path)).href)
  if (typeof accept !== 'function') throw new Error(`${path} has no function as its default export`)
  for (const [i, [name, check]] of Object.entries(checks).entries()) {
    try {
      check(accept)
      console.log(`ok      ${name}`)
    } catch (error) {
      process.exitCode = 1
      console.log(`FAILED  ${name}\n        ${describe(error)}`)
      if (i === 0) return console.log('The other checks wait for this one.')
    }
  }
}

/** What a check says; of an error in the module itself where it was thrown, too. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.constructor === Error ? error.message : (error.stack ?? error.message)
}

main(process.argv.slice(2)).catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error)
  process.exitCode = 1
})
