// Counts golden cases: the reporter prints how many were compared, and a full run without any fails.
import { tally } from './tally.ts'

/** To be called inside a test once `count` golden cases have been compared and found equal. */
export function golden(count = 1): void {
  tally.golden += count
}
