// A worker over the made-up objective, which ends by itself where it is told to.

import { existsSync, writeFileSync } from 'node:fs'
import { serve } from '../../cli/search/serve.ts'
import { keyOf } from '../../search/space.ts'
import { hills } from './hills.ts'

export interface HillsBegin {
  readonly sublayers: number
  /** Of another objective. */
  readonly id?: string
  /** The point at which the process ends: always, or once, after which the file is there. */
  readonly endsAt?: string
  readonly once?: string
  readonly endsAtStart?: true
  readonly failsAt?: string
}

serve(async (begin) => {
  const { sublayers, id = 'hills', endsAt, once, endsAtStart, failsAt } = begin as HillsBegin // from the test beside it
  if (endsAtStart) {
    process.stderr.write('no memory for a worker\n')
    process.exit(7)
  }
  const objective = hills(sublayers)
  return {
    ...objective,
    id,
    async evaluate(points) {
      const keys = points.map(keyOf)
      if (failsAt !== undefined && keys.includes(failsAt)) throw new Error('numbers that are none')
      if (endsAt !== undefined && keys.includes(endsAt) && !(once && existsSync(once))) {
        if (once) writeFileSync(once, '')
        process.kill(process.pid, 'SIGKILL')
      }
      return objective.evaluate(points)
    },
  }
})
