// What the hub's refusals mean, and what to do about each.

import { DownloadError, type DrafthorseError, NotFoundError } from '../../engine/errors.ts'
import { quote } from './json.ts'

/** A failure that may pass by itself. */
export class TransientError extends DownloadError {
  /** Seconds to wait, as the server asked; `undefined` where it asked nothing. */
  readonly retryAfter: number | undefined

  constructor(message: string, options: ErrorOptions & { readonly retryAfter?: number | undefined } = {}) {
    super(message, options)
    this.retryAfter = options.retryAfter
  }
}

/** Who asked for what, for messages. */
export interface Asked {
  readonly endpoint: string
  readonly repository: string
  readonly revision: string
  /** What was asked for: a file's name in quotes, or words. */
  readonly what: string
  /** Why no token went with the request; `undefined` where one did. */
  readonly withoutToken: string | undefined
}

/**
 * The error for a response that is no success, told by its status and the hub's `X-Error-Code`. `fromHub` says that the
 * hub itself answered, not a server that it redirected to.
 */
export function refusal(response: Response, asked: Asked & { readonly fromHub: boolean }): DrafthorseError {
  const { status } = response
  const code = response.headers.get('x-error-code')
  const { endpoint, repository, revision, what } = asked
  const said = [status, response.headers.get('x-error-message')].filter(Boolean).map(quote).join(' ')
  const got = `${what} of ${repository}: the server answered ${said}`
  if (status === 408 || status === 429 || status >= 500) return passing(response, got)
  // A server that the hub redirected to knows nothing of repositories; its addresses run out after a while.
  if (!asked.fromHub) return new TransientError(`${got}, where the hub had redirected to`)
  if (code === 'GatedRepo') return new DownloadError(gated(got, asked))
  if (status === 401) return new DownloadError(unauthorized(got, asked))
  if (status === 403) {
    return new DownloadError(
      `${got}. ${asked.withoutToken ? tokenHelp(asked) : `The token may not read it: give it the right to at ${endpoint}/settings/tokens`}`,
    )
  }
  if (code === 'RevisionNotFound') {
    return new NotFoundError(`${repository} has no revision ${quote(revision)}; see ${endpoint}/${repository}/refs`)
  }
  if (code === 'EntryNotFound') return new NotFoundError(`${repository} has no ${what} at ${quote(revision)}`)
  if (status === 404) {
    return new NotFoundError(`${got}. There is no such repository, or it is private: check the name at ${endpoint}`)
  }
  return new DownloadError(got)
}

function passing(response: Response, got: string): TransientError {
  const { status } = response
  const seconds = Number(response.headers.get('retry-after') || Number.NaN)
  const retryAfter = Number.isFinite(seconds) && seconds >= 0 ? seconds : undefined
  const later = retryAfter === undefined ? 'later' : `in ${Math.ceil(retryAfter)} s`
  const why =
    status === 429
      ? `Too many requests came from here: try again ${later}; with a token (HF_TOKEN) the hub allows more`
      : `The server has trouble: try again ${later}`
  return new TransientError(`${got}. ${why}; what has come is kept`, { retryAfter })
}

function gated(got: string, asked: Asked): string {
  const page = `${asked.endpoint}/${asked.repository}`
  const steps = `It is gated: accept its terms at ${page}`
  return asked.withoutToken === undefined
    ? `${got}. ${steps} with the account of your token, and wait for the answer where its authors decide`
    : `${got}. ${steps}. ${tokenHelp(asked)}`
}

function unauthorized(got: string, asked: Asked): string {
  return asked.withoutToken === undefined
    ? `${got}. The token is not valid (any more): make a new one at ${asked.endpoint}/settings/tokens, and set HF_TOKEN to it`
    : `${got}. There is no such repository, or it is private or gated: check the name. ${tokenHelp(asked)}`
}

function tokenHelp({ endpoint, withoutToken }: Asked): string {
  return `No token was sent: ${withoutToken}. Make one that may read at ${endpoint}/settings/tokens, and set HF_TOKEN to it`
}
