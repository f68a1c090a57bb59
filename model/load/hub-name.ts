// Names on the Hugging Face hub: OWNER/NAME for a repository, OWNER/NAME:FILE for one file of it.

import { checkFileName } from './files.ts'

export interface HubName {
  /** `OWNER/NAME`. */
  readonly repository: string
  /** A path inside the repository, `/` between its parts; `undefined` for the repository as a whole. */
  readonly file: string | undefined
}

/**
 * A hub name, or `undefined` for a text that is none. The rules are those of the hub, which keep names fit for the
 * cache's folders: letters, digits, `_`, `-` and `.`, neither first nor last a `-` or `.`, no `--` and no `..`. Throws
 * `ModelFormatError` for a file outside of the repository.
 */
export function parseHubName(text: string): HubName | undefined {
  const [, repository, file] = /^([\w.-]+\/[\w.-]+)(?::(.+))?$/s.exec(text) ?? []
  if (repository === undefined || repository.length > 96) return undefined
  const badlyMade = /(^|\/)[.-]|[.-](\/|$)|--|\.\.|\.git$/.test(repository)
  if (badlyMade) return undefined
  if (file !== undefined) checkFileName(file, repository)
  return { repository, file }
}

export function formatHubName({ repository, file }: HubName): string {
  return file === undefined ? repository : `${repository}:${file}`
}
