// What a run costs in processor time, and how much of the machine others had meanwhile.

import { cpus } from 'node:os'

/** The share of the machine that others may have while a figure is taken. */
export const idleEnough = 0.05

export interface CpuUse {
  /** Milliseconds that passed. */
  readonly wall: number
  /** Milliseconds of processor time that the work took, all threads together. */
  readonly cpu: number
  /** Share of the machine's processors that other processes had, 0 to 1. */
  readonly others: number
}

/** Milliseconds of processor time that other processes which do the work have taken since they started. */
export type HelpersTime = () => Promise<number>

/**
 * Runs `body` and measures; `helpers` count as this process does. Shares of runs of less than some 100 ms say little: systems
 * count in steps of 10 ms.
 */
export async function withCpuUse<R>(
  body: () => Promise<R>,
  { helpers = async () => 0 }: { readonly helpers?: HelpersTime | undefined } = {},
): Promise<CpuUse & { readonly result: R }> {
  const before = { helpers: await helpers(), machine: busyTime(), own: ownTime(), wall: performance.now() }
  const result = await body()
  const wall = performance.now() - before.wall
  const busy = busyTime() - before.machine
  const cpu = ownTime() - before.own + (await helpers()) - before.helpers
  return { wall, cpu, others: Math.max(0, busy - cpu) / (wall * cpus().length), result }
}

/** Milliseconds that this process has taken since it started. */
function ownTime(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/** Milliseconds that the processors have been busy, together, since the system started. */
function busyTime(): number {
  return cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0)
}
