#!/usr/bin/env node
// The command line.

import { Command } from 'commander'
import { AbortError, DrafthorseError } from '../engine/errors.ts'
import { benchCommand } from './bench/index.ts'
import { chatCommand } from './chat.ts'
import { convertCommand } from './convert.ts'
import { demoCommand } from './demo.ts'
import { generateCommand } from './generate.ts'
import { infoCommand, version } from './info.ts'
import { interruptedExit } from './interrupt.ts'
import { kernelsCommand } from './kernels.ts'
import { pullCommand } from './pull.ts'
import { searchCommand } from './search.ts'

const program = new Command('drafthorse')
  .description('Llama models in TypeScript, made faster by drafting for themselves, with identical output')
  .version(version)
  .addCommand(demoCommand())
  .addCommand(generateCommand())
  .addCommand(chatCommand())
  .addCommand(pullCommand())
  .addCommand(infoCommand())
  .addCommand(convertCommand())
  .addCommand(searchCommand())
  .addCommand(kernelsCommand())
  .addCommand(benchCommand())
  .addHelpText('after', '\nWithout a command it tells one story twice, plainly and self-speculatively (demo).')

// A reader that has seen enough, like `head`, closes the pipe: that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(0)
  throw error
})

const [first] = process.argv.slice(2)
const isDemo = first === undefined || (first.startsWith('-') && !['-h', '--help', '-V', '--version'].includes(first))
const argv = isDemo ? ['demo', ...process.argv.slice(2)] : process.argv.slice(2)

program.parseAsync(argv, { from: 'user' }).catch((error: unknown) => {
  if (error instanceof AbortError) {
    process.exitCode = interruptedExit
  } else if (error instanceof DrafthorseError || isSystemError(error)) {
    process.stderr.write(`error: ${error.message}\n`)
    process.exitCode = 1
  } else {
    throw error
  }
})

/** What the operating system refused: a file that may not be read, a full disk. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error && 'code' in error
}
