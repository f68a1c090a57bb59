// A trial that runs elsewhere, as its tests see it: each waits for its own outcome, and hears why when none can come.
import type { Capabilities } from 'drafthorse/engine'
import type { TrialEvent } from './trial.ts'

/** Starts what runs the trial. Returns what ends it, at any time, also twice. */
export type Launch = (callbacks: {
  tell(event: TrialEvent): void
  /** What runs the trial is gone, or cannot be started: why. */
  gone(reason: string): void
}) => Promise<() => Promise<void>>

export type Done = Extract<TrialEvent, { kind: 'done' }>

export interface Remote {
  readonly opened: Promise<Capabilities>
  /** Resolves when it is over, however it ended, with the seconds that it took. */
  readonly ended: Promise<number>
  /** Rejects with the reason where no outcome can come any more. */
  outcome(name: string): Promise<Done>
  end(): Promise<number>
}

interface Deferred<T> {
  readonly promise: Promise<T>
  resolve(value: T): void
  reject(error: Error): void
}

/** Node 20 has no Promise.withResolvers. */
function deferred<T>(): Deferred<T> {
  let settle: Pick<Deferred<T>, 'resolve' | 'reject'> | undefined
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject }
  })
  return { promise, ...settle! }
}

/** `names` are what it will tell of. Without a word for `patience` (ms), it counts as hung. */
export function startRemote(
  launch: Launch,
  { names, patience = 300_000 }: { names: readonly string[]; patience?: number },
): Remote {
  const opened = deferred<Capabilities>()
  const ended = deferred<number>()
  const started = performance.now()
  const outcomes = new Map(names.map((name) => [name, deferred<Done>()]))
  const all = [opened, ...outcomes.values()]
  // Tests that wait for one hear of it; where they were filtered out, nobody has to.
  for (const { promise } of all) promise.catch(() => {})
  let last = 'it was started'
  let over = false
  let timer = setTimeout(hung, patience)

  function hung(): void {
    gone(`nothing came for ${patience / 1000} s, after ${last}`)
  }

  /** Nothing comes any more, for this reason. */
  function gone(reason: string): void {
    if (over) return
    over = true
    clearTimeout(timer)
    const error = new Error(`the trial ended early: ${reason}`)
    for (const { reject } of all) reject(error)
    void stop()
  }

  function tell(event: TrialEvent): void {
    if (over) return
    clearTimeout(timer)
    timer = setTimeout(hung, patience)
    if (event.kind === 'open') {
      opened.resolve(event.capabilities)
      last = 'it was opened'
    } else if (event.kind === 'done') {
      outcomes.get(event.name)?.resolve(event)
      last = `"${event.name}"`
    } else if (event.kind !== 'word') {
      gone(event.kind === 'end' ? 'it told of its end' : event.message)
    }
  }

  const launched = Promise.resolve().then(() => launch({ tell, gone }))
  launched.catch((error: unknown) => gone(String(error)))

  async function stop(): Promise<void> {
    const close = await launched.catch(() => undefined)
    await close?.()
    ended.resolve((performance.now() - started) / 1000)
  }

  return {
    opened: opened.promise,
    ended: ended.promise,
    outcome: (name) => outcomes.get(name)?.promise ?? Promise.reject(new Error(`no trial tells of "${name}"`)),
    end() {
      gone('it was ended')
      return ended.promise
    },
  }
}
