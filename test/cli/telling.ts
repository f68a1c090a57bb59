// A backend that tells of its passes, so that a test can see when one begins.

const dist = new URL('../../dist/engine/', import.meta.url).href

/** The module of a backend that writes the number of rows of each pass to standard output. */
export const telling: string = `import { withOps } from '${dist}index.js'
import { reference } from '${dist}reference/index.js'
import { writeSync } from 'node:fs'
const { ops } = await reference.open({})
export default withOps(reference, {
  embed(out, ...args) {
    writeSync(1, out.shape[0] + ' ')
    return ops.embed(out, ...args)
  },
})`
