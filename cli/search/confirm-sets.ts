// Timing the best sets, alone, beside plain decoding.

import type { ConfirmedRecord } from '../../search/journal.ts'
import type { Found } from '../../search/memory.ts'

export async function confirmSets(_running: unknown, _candidates: readonly Found[]): Promise<ConfirmedRecord[]> {
  return []
}
