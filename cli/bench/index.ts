// `drafthorse bench`: measurements, each against something, in one run.

import { Command } from 'commander'
import { decodeCommand } from './decode.ts'
import { identityCommand } from './identity.ts'
import { limitsCommand } from './limits.ts'
import { opsCommand } from './ops.ts'
import { payoffCommand } from './payoff.ts'
import { peersCommand } from './peers.ts'
import { samplingCommand } from './sampling.ts'
import { speculateCommand } from './speculate.ts'

export function benchCommand(): Command {
  return new Command('bench')
    .description('measure on this machine')
    .addCommand(decodeCommand())
    .addCommand(speculateCommand())
    .addCommand(identityCommand())
    .addCommand(payoffCommand())
    .addCommand(opsCommand())
    .addCommand(samplingCommand())
    .addCommand(limitsCommand())
    .addCommand(peersCommand())
}
