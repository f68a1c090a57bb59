// What the operating system says went wrong, told by code.

/** Whether an error is one of the system's with one of these codes. */
export function isErrorCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
