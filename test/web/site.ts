// The page in web/ as a project of its own, with the packed package installed: built once, served with or without isolation.
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fromFolder, type Site, serve } from '../../bench/site.ts'
import config from '../../web/vite.config.ts'
import { root } from '../package/files.ts'
import { installPacked } from '../package/install.ts'
import { viteBuild } from '../trial/vite-build.ts'

export interface BuiltPage {
  /** The folder that holds the site. */
  readonly folder: string
  /** What Vite had to say. */
  readonly warnings: string
  /** `without`: paths that are answered with 404. */
  serve(options: { isolated: boolean; without?: RegExp }): Promise<Site>
}

/** A scratch folder with the app in it; whoever makes one calls `remove`. */
export interface App {
  readonly failure: string | undefined
  /** Builds a folder of this repository as the app's own. */
  build(source: string): Promise<BuiltPage>
  remove(): void
}

export function createApp(): App {
  const scratch = mkdtempSync(join(tmpdir(), 'drafthorse-web-'))
  const remove = (): void => rmSync(scratch, { recursive: true, force: true, maxRetries: 3 })
  process.once('exit', remove)
  const { app, failure } = installPacked(scratch)
  return {
    failure,
    async build(source) {
      const own = join(app, source)
      cpSync(join(root, source), own, { recursive: true, filter: (path) => !path.endsWith('dist') })
      const folder = join(own, 'dist')
      const warnings = await viteBuild([own, '--outDir', folder], { cwd: app })
      return { folder, warnings, serve: (options) => serveBuilt(folder, options) }
    },
    remove() {
      process.off('exit', remove)
      remove()
    },
  }
}

function serveBuilt(folder: string, { isolated, without }: { isolated: boolean; without?: RegExp }): Promise<Site> {
  const files = fromFolder(folder)
  return serve(
    async (path) => {
      if (without?.test(path)) throw new Error(`${path} is not served`)
      return files(path)
    },
    isolated ? (config.preview?.headers as Record<string, string>) : {}, // the page's own headers, which are strings
  )
}
