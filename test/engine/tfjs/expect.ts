// Assertions for code that also runs in a browser, which has no node:assert.

export function expect(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message)
}

/** Equal as JSON. */
export function expectSame(actual: unknown, expected: unknown, what: string): void {
  const [a, e] = [JSON.stringify(actual), JSON.stringify(expected)]
  expect(a === e, `${what}: expected ${e}, got ${a}`)
}
