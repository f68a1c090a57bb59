// A thin adapter: every conformance case is a test, for every backend of the list.

import { allCases, defaultSeed, runCase } from 'drafthorse/conformance'
import { type Backend, openBackend } from 'drafthorse/engine'
import { skipUnlessPossible } from '../skip.ts'

const names = ['reference']

for (const name of names) {
  describe(`conformance of ${name}, seed ${defaultSeed}`, () => {
    const open = () => openBackend(name)
    let backend: Backend
    before(async () => {
      backend = await open()
    })
    after(() => backend.dispose())

    const cases = allCases({ open })
    for (const op of new Set(cases.map((item) => item.op))) {
      describe(op, () => {
        for (const item of cases.filter((each) => each.op === op)) {
          it(`${item.kind}: ${item.name}${item.dtype ? ` (${item.dtype})` : ''}`, async function () {
            const outcome = await runCase(item, backend)
            if (outcome.status === 'failed') throw new Error(outcome.message)
            if (outcome.status === 'skipped') skipUnlessPossible(this, false, outcome.message)
          })
        }
      })
    }
  })
}
