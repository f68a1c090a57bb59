// Words of shared memory by which the host and all threads agree: what is to be run, how far it is, and the barrier.
// `engine/wasm/control.ts` gives the host the same addresses. Words that are written often have a cache line of their own.

/** Counts the lists handed over; threads wait here for the next one. */
const handedOver: usize = 64
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

/** Looks of about a nanosecond: at a barrier, where others are about to arrive, and before a list, which may take long. */
const barrierLooks = 20000
const listLooks = 20000

/** Lists that this thread has run. Globals are each thread's own. */
let seen: i32 = 0

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

/** Waits for the next list. */
export function awaitList(): void {
  for (let looks = listLooks; atomic.load<i32>(handedOver) == seen; ) {
    if (--looks < 0) atomic.wait<i32>(handedOver, seen, -1)
  }
  seen++
}

/** Holds every thread until all have come: what they wrote before is seen by all behind it. */
export function barrier(threads: u32): void {
  if (threads == 1) return
  const now = atomic.load<i32>(phase)
  if (atomic.add<u32>(arrived, 1) == threads - 1) {
    atomic.store<u32>(arrived, 0)
    atomic.store<i32>(phase, now + 1)
    if (atomic.load<i32>(sleepers) > 0) atomic.notify(phase, threads)
    return
  }
  for (let looks = barrierLooks; atomic.load<i32>(phase) == now; ) {
    if (--looks >= 0) continue
    // Counted before it looks once more: the last to come then either sees the sleeper, or is seen.
    atomic.add<i32>(sleepers, 1)
    atomic.wait<i32>(phase, now, -1)
    atomic.sub<i32>(sleepers, 1)
  }
}
