// Words of shared memory by which the host and all threads agree: what is to be run, how far it is, and the barrier.
// `engine/wasm/control.ts` gives the host the same addresses. Words that are written often have a cache line of their own.

const arrived: usize = 128
const phase: usize = 192
/** Threads that sleep at the barrier. */
const sleepers: usize = 256
/** Where the list is, its end, and the data that its commands name by their place in it. */
const listStart: usize = 448
const listEnd: usize = 452
const dataStart: usize = 456
/** Bytes of each thread's own memory; that of thread 0 comes first. */
const scratchStart: usize = 460
const scratchBytes: usize = 464

/** Looks at a barrier before a thread sleeps, some tens of microseconds: waking it would take about as long. */
const mostLooks = 50000

export function list(): usize {
  return load<u32>(listStart)
}

export function end(): usize {
  return load<u32>(listEnd)
}

/** What commands of the list refer to. */
export function data(): usize {
  return load<u32>(dataStart)
}

/** A thread's own memory, for what no other thread reads. */
export function scratch(thread: u32): usize {
  return load<u32>(scratchStart) + thread * load<u32>(scratchBytes)
}

/** Where the part of thread `thread` of `n` things begins; it ends where that of the next thread begins. */
export function share(n: u32, thread: u32, threads: u32): u32 {
  return <u32>((<u64>n * thread) / threads)
}

// By the host, because the instructions for it break other values in the first compiler of Node 20's V8.

/** Sleeps while the word at an address has this value. */
declare function sleep(at: usize, value: i32): void

/** Wakes all who sleep at an address. */
declare function wake(at: usize): void

/** Holds every thread until all have come: what they wrote before is seen by all behind it. */
export function barrier(threads: u32): void {
  if (threads == 1) return
  const now = atomic.load<i32>(phase)
  if (atomic.add<u32>(arrived, 1) == threads - 1) {
    atomic.store<u32>(arrived, 0)
    atomic.store<i32>(phase, now + 1)
    if (atomic.load<i32>(sleepers) > 0) wake(phase)
    return
  }
  for (let looks = mostLooks; atomic.load<i32>(phase) == now; ) {
    if (--looks >= 0) continue
    // Counted before it looks once more: the last to come then either sees the sleeper, or is seen.
    atomic.add<i32>(sleepers, 1)
    sleep(phase, now)
    atomic.sub<i32>(sleepers, 1)
  }
}
