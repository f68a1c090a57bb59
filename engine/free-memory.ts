// How much memory there is to be had.

/** Bytes that the system has left for this process; undefined where it does not tell, as in browsers. */
export function freeMemory(): number | undefined {
  const { process } = globalThis as { process?: Partial<NodeJS.Process> } // browsers have none
  return process?.availableMemory?.() || undefined // 0 says nothing either
}
