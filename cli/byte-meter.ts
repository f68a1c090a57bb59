// The line that shows how far a download is: a bar, bytes, rate and time left.

import { formatBytes } from '../model/load/bytes.ts'
import type { PullProgress } from '../model/load/hub-pull-node.ts'
import { printable } from './terminal.ts'

/** Milliseconds between two lines, and that the rate looks back. */
const pause = 100
const window = 10_000
const barWidth = 20

/**
 * Gives the line for each progress that is told, `undefined` where the last is still fresh; `now` is in milliseconds. The
 * line is shorter than `columns`.
 */
export function byteMeter(now: () => number): (progress: PullProgress, columns: number) => string | undefined {
  const samples: { time: number; bytes: number }[] = []
  let shown = Number.NEGATIVE_INFINITY
  let current: string | undefined
  return ({ path, bytes, total }, columns) => {
    const time = now()
    // What was there before a file began has not been transferred, so the rate starts anew with each file.
    if (path !== current) samples.length = 0
    current = path
    if (bytes < total && time - shown < pause && samples.length > 0) return undefined
    shown = time
    samples.push({ time, bytes })
    while (samples.length > 2 && time - samples[0]!.time > window) samples.shift()
    const { time: since, bytes: from } = samples[0]!
    const rate = time > since ? Math.max(0, bytes - from) / ((time - since) / 1000) : 0
    return line({ path, bytes, total, rate }).slice(0, Math.max(0, columns - 1))
  }
}

function line({ path, bytes, total, rate }: PullProgress & { readonly rate: number }): string {
  const share = total === 0 ? 1 : bytes / total
  const full = Math.floor(share * barWidth)
  const parts = [
    `[${'#'.repeat(full)}${'-'.repeat(barWidth - full)}] ${Math.floor(100 * share)} %`,
    `${formatBytes(bytes)} of ${formatBytes(total)}`,
    ...(rate > 0 ? [`${formatBytes(Math.round(rate))}/s`, `${duration((total - bytes) / rate)} left`] : []),
    printable(path),
  ]
  return parts.join('  ')
}

/** Seconds as `8 s`, `3 min 5 s` or `2 h 10 min`. */
function duration(seconds: number): string {
  const whole = Math.ceil(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
