// The child process of child.ts: runs the trial of the backend that its argument names.
import { openBackend } from 'drafthorse/engine'
import { nodeFiles } from '../engine/tfjs/files-node.ts'
import { runTrial, type TrialEvent } from './trial.ts'

const name = process.argv[2]!

// The parent is gone: so are all who wanted to know.
process.on('disconnect', () => process.exit(1))

function tell(event: TrialEvent): Promise<void> {
  return new Promise((resolve) => process.send!(event, undefined, {}, () => resolve()))
}

runTrial({ name, files: nodeFiles, open: () => openBackend(name), tell }).then(() => process.exit(0))
