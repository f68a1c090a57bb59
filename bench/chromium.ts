// Where Chromium is, for the pages that benchmarks and tests drive through Playwright.

import { existsSync } from 'node:fs'
import { join } from 'node:path'

/** Where Chromium and Chrome are on Linux. */
const places = [
  { folder: '/usr/lib/chromium', program: 'chromium' },
  { folder: '/opt/google/chrome', program: 'chrome' },
] as const

/** These, for messages. */
export const chromiumPlaces: string = places.map(({ folder, program }) => `${folder}/${program}`).join(' or ')

export interface Chromium {
  readonly folder: string
  /** The path of the program in it. */
  readonly program: string
}

/** The first that is installed, with a file named `beside` in its folder if one is given. */
export function findChromium({ beside }: { readonly beside?: string } = {}): Chromium | undefined {
  const found = places.find(({ folder, program }) =>
    [program, beside ?? program].every((file) => existsSync(join(folder, file))),
  )
  return found && { folder: found.folder, program: join(found.folder, found.program) }
}

/** Flags for a browser that may run as root, and does nothing but show a page. */
export const quietFlags: readonly string[] = [
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]
