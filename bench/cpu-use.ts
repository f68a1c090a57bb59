// What a run costs in processor time, and how much of the machine others had meanwhile.

import { cpus } from 'node:os'

export interface CpuUse {
  /** Milliseconds that passed. */
  readonly wall: number
  /** Milliseconds of processor time that this process took, all threads together. */
  readonly cpu: number
  /** Share of the machine's processors that other processes had, 0 to 1. */
  readonly others: number
}

/** Runs `body` and measures. Shares of runs of less than some 100 ms say little: systems count in steps of 10 ms. */
export async function withCpuUse<R>(body: () => Promise<R>): Promise<CpuUse & { readonly result: R }> {
  const before = { machine: busyTime(), own: process.cpuUsage(), wall: performance.now() }
  const result = await body()
  const wall = performance.now() - before.wall
  const { user, system } = process.cpuUsage(before.own)
  const cpu = (user + system) / 1000
  const others = busyTime() - before.machine - cpu
  return { wall, cpu, others: Math.max(0, others) / (wall * cpus().length), result }
}

/** Milliseconds that the processors have been busy, together, since the system started. */
function busyTime(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0)
}
