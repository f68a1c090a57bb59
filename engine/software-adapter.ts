// Tells adapters that compute on the CPU from graphics cards, by their names: drivers tell no other way everywhere.

/** Whether this is the name of an adapter that computes on the CPU. */
export function isSoftwareName(name: string): boolean {
  return /swiftshader|llvmpipe|lavapipe|softpipe|basic render|warp/i.test(name)
}
