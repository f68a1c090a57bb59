// `drafthorse bench limits`: what this machine can do at most, as the wasm backend sees it.

import { Command } from 'commander'
import { createTurn } from '../../engine/turn.ts'
import { type Limits, measureLimits } from '../../engine/wasm/index.ts'
import { interruptible } from '../interrupt.ts'
import { numberList } from '../model-options.ts'
import { formatTable } from '../table.ts'
import { machine, print } from './report.ts'

interface Options {
  readonly threads: number[]
  readonly json?: true
}

export function limitsCommand(): Command {
  return new Command('limits')
    .description(
      'reading of memory and arithmetic at their fastest, on the threads and instructions of the wasm backend',
    )
    .option('--threads <list>', 'numbers of threads', numberList, [1, 2])
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', '\nExamples:\n  $ drafthorse bench limits\n  $ drafthorse bench limits --threads 4 --json')
    .action((options: Options) => interruptible((signal) => run(options, signal)))
}

async function run({ threads, json }: Options, signal: AbortSignal): Promise<void> {
  const turn = createTurn(signal)
  const limits: Limits[] = []
  for (const count of threads) {
    await turn()
    limits.push(await measureLimits(count))
  }
  const report = { format: 'drafthorse/bench-limits@1', ...machine(), limits }
  print(json, report, () => describe(limits))
}

function describe(limits: readonly Limits[]): string {
  const { cpu, cores, node } = machine()
  const table = formatTable(
    [
      { title: 'threads', align: 'right' },
      { title: 'memory, GB/s', align: 'right' },
      { title: 'cache, GB/s', align: 'right' },
      { title: 'f32, G products/s', align: 'right' },
      { title: 'i16, G products/s', align: 'right' },
    ],
    limits.map(({ threads, streamed, cached, f32, i16 }) => [
      `${threads}`,
      ...[streamed, cached, f32, i16].map((value) => value.toFixed(1)),
    ]),
  )
  return `WebAssembly SIMD on ${cpu}, ${cores} cores, Node ${node}; the best of five runs\n\n${table}\n`
}
