// Words of shared memory by which the host and all threads agree: what is to be run, and how far it is.
// `engine/wasm/control.ts` gives the host the same addresses. Words that are written often have a cache line of their own.
//
// A list is run in stages, a stage in as many shares as there are threads. A thread takes any share that nobody has, so one
// that the system has put aside holds nobody up, unless it has a share: the others take those that it would have had.

/**
 * The number of the stage, and in its lowest bits that of the next share, or `noShare` between lists. The highest bit is 0,
 * so that no number is the host's word for the end.
 */
const ticket: usize = 64
const mostTicket: u32 = 0x7fffffff
/** Shares of the stage that are done. */
const done: usize = 128
/** Threads that sleep because all shares are taken. */
const sleepers: usize = 192
/** Where the stage begins, the end of the list, and the data that commands name by their place in it. */
const stageStart: usize = 448
const listEnd: usize = 452
const dataStart: usize = 456
/** Bytes of each share's own memory; that of share 0 comes first. */
const scratchStart: usize = 460
const scratchBytes: usize = 464

export const noShare: u32 = 0xfff

/** Looks at the ticket before a thread sleeps, some tens of microseconds: waking it would take about as long. */
const mostLooks = 50000

/** The first command of the stage of which the caller has a share. */
export function stage(): usize {
  return load<u32>(stageStart)
}

export function end(): usize {
  return load<u32>(listEnd)
}

/** What commands of the list refer to. */
export function data(): usize {
  return load<u32>(dataStart)
}

/** A share's own memory, for what no other share reads. */
export function scratch(thread: u32): usize {
  return load<u32>(scratchStart) + thread * load<u32>(scratchBytes)
}

/** Where share `thread` of `n` things begins; it ends where the next begins. */
export function share(n: u32, thread: u32, threads: u32): u32 {
  return <u32>((<u64>n * thread) / threads)
}

// By the host, because the instructions for it break other values in the first compiler of Node 20's V8.

/** Sleeps while the word at an address has this value. */
declare function sleep(at: usize, value: i32): void

/** Wakes all who sleep at an address. */
declare function wake(at: usize): void

/** A share of the stage, the caller's alone; waits for the next stage where all are taken. `noShare` after the last stage. */
export function takeShare(shares: u32): u32 {
  let looks = mostLooks
  let now = atomic.load<u32>(ticket)
  while ((now & noShare) != noShare) {
    if ((now & noShare) < shares) {
      if (atomic.cmpxchg<u32>(ticket, now, now + 1) == now) return now & noShare
    } else if (--looks < 0) {
      // Counted before it looks once more: who ends the stage then either sees the sleeper, or is seen.
      atomic.add<u32>(sleepers, 1)
      sleep(ticket, now)
      atomic.sub<u32>(sleepers, 1)
    }
    now = atomic.load<u32>(ticket)
  }
  return noShare
}

/** Gives a share back, done. The last of the stage opens the next one, at `next`; true where there is none. */
export function finishShare(shares: u32, next: usize): bool {
  if (atomic.add<u32>(done, 1) < shares - 1) return false
  atomic.store<u32>(done, 0)
  store<u32>(stageStart, next)
  const isLast = next == end()
  const stageNumber = ((atomic.load<u32>(ticket) | noShare) + 1) & mostTicket
  atomic.store<u32>(ticket, isLast ? stageNumber | noShare : stageNumber)
  if (atomic.load<u32>(sleepers) > 0) wake(ticket)
  return isLast
}
