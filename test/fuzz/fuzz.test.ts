// Damaged files of every format, a few; `npm run fuzz` tries 100,000 of each.
import { inPeers, missing } from '../engine/tfjs/peers.ts'
import { skipUnless } from '../skip.ts'
import { formats, fuzz } from './formats.ts'

describe('a damaged file', () => {
  for (const format of formats) {
    it(`of ${format} is refused by a typed error, or read correctly`, async function () {
      this.timeout(60_000)
      if (format === 'tfjs') {
        const reason = await missing('tfjs:cpu')
        skipUnless(this, !reason, `${reason}`)
      }
      await inPeers(() => fuzz(format, { cases: 150 }))
    })
  }
})
