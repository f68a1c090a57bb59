// Loaded before the tests: they, and the programs that they start, find nothing that the user's cache folder holds.
import { tmpdir } from 'node:os'
import { join } from 'node:path'

process.env['DRAFTHORSE_CACHE'] = join(tmpdir(), `drafthorse-no-cache-${process.pid}`)
