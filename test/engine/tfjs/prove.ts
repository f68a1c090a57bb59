// A program of its own: proves what tfjs:tensorflow promises in this process, and says in JSON what it found. The test
// starts it with TensorFlow's own switches, which are read when the library is loaded.
import { allCases, runCase } from 'drafthorse/conformance'
import { speculateEqually } from './checks.ts'
import { nodeFiles } from './files-node.ts'
import { openTfjs } from './peers.ts'

/** What the program writes to standard output. */
export interface Proof {
  readonly rowInvariant: boolean
  readonly device: string
  readonly cases: number
  readonly failures: readonly string[]
}

async function prove(tokens: number): Promise<Proof> {
  const open = () => openTfjs('tfjs:tensorflow')
  const backend = await open()
  const failures: string[] = []
  const cases = allCases({ open }).filter(({ dtype = 'f32', kind }) => dtype === 'f32' && kind === 'invariance')
  for (const item of cases) {
    const outcome = await runCase(item, backend)
    const why = 'message' in outcome ? `: ${outcome.message}` : ''
    if (outcome.status !== 'ok') failures.push(`${item.op}, ${item.kind}, ${item.name} is ${outcome.status}${why}`)
  }
  await speculateEqually(backend, nodeFiles, { tokens: tokens }).catch((error: Error) => failures.push(error.message))
  const { rowInvariant, device } = backend.capabilities
  await backend.dispose()
  return { rowInvariant: rowInvariant === true, device, cases: cases.length, failures }
}

prove(Number(process.argv[2])).then((proof) => process.stdout.write(JSON.stringify(proof)))
