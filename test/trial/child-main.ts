// The child process of child.ts: runs the trial that its argument names.
import { nodeFiles } from '../engine/tfjs/files-node.ts'
import { runTrial, type TrialEvent, type TrialKey } from './trial.ts'

const key = process.argv[2] as TrialKey // child.ts passes one

// The parent is gone: so are all who wanted to know.
process.on('disconnect', () => process.exit(1))

function tell(event: TrialEvent): Promise<void> {
  return new Promise((resolve) => process.send!(event, undefined, {}, () => resolve()))
}

runTrial({ key, files: nodeFiles, tell }).then(() => process.exit(0))
