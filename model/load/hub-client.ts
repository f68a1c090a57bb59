// Requests to the hub. The token goes to the hub's own origin and nowhere else, so redirects are followed by hand; what
// may pass by itself, such as a cut connection, is tried again.

import { AbortError, DownloadError } from '../../engine/errors.ts'
import { type Asked, refusal, TransientError } from './hub-errors.ts'

/** Time, so that tests need not wait. */
export interface Clock {
  /** Milliseconds since some moment. */
  now(): number
  /** Runs something in `ms` milliseconds, unless what it returns is called before. */
  after(ms: number, run: () => void): () => void
}

export const systemClock: Clock = {
  now: () => performance.now(),
  after(ms, run) {
    const timer = setTimeout(run, ms)
    return () => clearTimeout(timer)
  },
}

/** Milliseconds without a byte after which a connection counts as dead. */
export const longestSilence = 60_000
/** A try that brings the download further starts the count anew. */
const mostTries = 5
/** Seconds that a server may ask to wait for before the pull gives up instead. */
const longestWait = 120
const mostRedirects = 5

export interface ClientOptions {
  readonly endpoint: string
  readonly repository: string
  readonly revision: string
  readonly token: string | undefined
  readonly clock: Clock
  readonly signal: AbortSignal | undefined
  /** Told before each wait. */
  readonly onWait: ((wait: { readonly reason: string; readonly seconds: number }) => void) | undefined
}

export interface HubRequest<T> {
  readonly url: string
  /** What is asked for, in messages. */
  readonly what: string
  /** Asked before each try. */
  readonly headers?: () => Readonly<Record<string, string>>
  /** How far the work is; a try that failed after it grew does not count. */
  readonly progress?: () => number
  /** Takes a successful response, once a try; errors of its own are not tried again. */
  use(response: Response, chunks: AsyncIterable<Uint8Array>): Promise<T>
}

export interface HubClient {
  /** Throws {@link DownloadError}, `NotFoundError` or {@link AbortError}. */
  request<T>(request: HubRequest<T>): Promise<T>
}

export function createClient(options: ClientOptions): HubClient {
  const { clock, signal, onWait } = options
  const home = new URL(options.endpoint)
  const withoutToken = whyNoToken(home, options.token)

  return { request: (request) => persist(request) }

  async function persist<T>(request: HubRequest<T>): Promise<T> {
    const { progress = () => 0 } = request
    for (let failures = 1; ; failures++) {
      const before = progress()
      try {
        return await attempt(request)
      } catch (error) {
        if (!(error instanceof TransientError)) throw error
        if (progress() > before) failures = 1
        const seconds = Math.max(2 ** (failures - 1), error.retryAfter ?? 0)
        if (failures === mostTries || seconds > longestWait) throw error
        onWait?.({ reason: error.message, seconds })
        await pause(1000 * seconds)
      }
    }
  }

  async function attempt<T>({ url, what, headers, use }: HubRequest<T>): Promise<T> {
    const ended = new AbortController()
    const either = signal ? AbortSignal.any([signal, ended.signal]) : ended.signal
    /** Runs what waits for the network, and says what its failures are. */
    async function network<R>(run: () => Promise<R>): Promise<R> {
      const stop = clock.after(longestSilence, () => ended.abort())
      try {
        return await run()
      } catch (cause) {
        if (signal?.aborted) throw aborted(signal)
        if (ended.signal.aborted) throw new TransientError(`${what}: nothing came for ${longestSilence / 1000} s`)
        throw networkError(what, cause)
      } finally {
        stop() // a slow disk is not a silent line
      }
    }

    async function* chunks({ body }: Response): AsyncGenerator<Uint8Array> {
      if (!body) return
      const reader = body.getReader()
      for (;;) {
        const { done, value } = await network(() => reader.read())
        if (done) return
        yield value
      }
    }

    try {
      if (signal?.aborted) throw aborted(signal)
      const { response, fromHub } = await follow(url, (address) =>
        network(() =>
          fetch(address, { headers: headersFor(address, headers?.()), redirect: 'manual', signal: either }),
        ),
      )
      if (!response.ok) throw refusal(response, { ...asked(what), fromHub })
      return await use(response, chunks(response))
    } finally {
      ended.abort()
    }
  }

  function headersFor(address: URL, headers: Readonly<Record<string, string>> = {}): Record<string, string> {
    // Sizes and ranges are those of the file, so it must come as it is.
    const all = { 'accept-encoding': 'identity', 'user-agent': 'drafthorse', ...headers }
    const own = address.origin === home.origin && withoutToken === undefined
    return own ? { ...all, authorization: `Bearer ${options.token}` } : all
  }

  async function follow(
    url: string,
    send: (address: URL) => Promise<Response>,
  ): Promise<{ response: Response; fromHub: boolean }> {
    let address = allowed(url, home)
    for (let redirects = 0; redirects <= mostRedirects; redirects++) {
      const response = await send(address)
      const location = [301, 302, 303, 307, 308].includes(response.status) && response.headers.get('location')
      if (!location) return { response, fromHub: address.origin === home.origin }
      await response.body?.cancel().catch(() => {}) // nobody wants it, cut or not
      address = allowed(location, address)
    }
    throw new DownloadError(`${home.origin} redirects more than ${mostRedirects} times; is HF_ENDPOINT right?`)
  }

  function asked(what: string): Asked {
    const { endpoint, repository, revision } = options
    return { endpoint, repository, revision, what, withoutToken }
  }

  /** Resolves in `ms` milliseconds, or rejects when the signal fires. */
  function pause(ms: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const cancel = clock.after(ms, () => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      })
      function onAbort(): void {
        cancel()
        reject(aborted(signal))
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }
}

function whyNoToken({ protocol, hostname }: URL, token: string | undefined): string | undefined {
  if (token === undefined) return 'HF_TOKEN is not set, and there is no token file'
  const loopback = ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
  return protocol === 'https:' || loopback ? undefined : 'HF_ENDPOINT is not encrypted (http)'
}

/** An address that may be asked: by http only where the one that named it, or HF_ENDPOINT, is too. */
function allowed(text: string, base: URL): URL {
  const address = URL.canParse(text, base.href) ? new URL(text, base.href) : undefined
  const protocols = base.protocol === 'https:' ? ['https:'] : ['https:', 'http:']
  if (!address || !protocols.includes(address.protocol) || address.username || address.password) {
    // The address may hold a signature, which is nobody's business.
    throw new DownloadError(
      `${base.origin} leads to an address that is not ${protocols.join(' or ')}, and is not followed`,
    )
  }
  return address
}

function aborted(signal: AbortSignal | undefined): AbortError {
  return new AbortError('the pull was aborted; what has come is kept', { cause: signal?.reason })
}

function networkError(what: string, cause: unknown): DownloadError {
  const inner = cause instanceof Error && cause.cause !== undefined ? cause.cause : cause
  const reason =
    inner instanceof Error ? ('code' in inner && inner.code ? String(inner.code) : inner.message) : String(inner)
  if (/CERT|SIGNATURE/.test(reason)) {
    return new DownloadError(`${what}: the server's certificate is not trusted (${reason}); see NODE_EXTRA_CA_CERTS`, {
      cause,
    })
  }
  return new TransientError(`${what}: the connection failed (${reason}); check the network. What has come is kept`, {
    cause,
  })
}
