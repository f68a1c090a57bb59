// Numbers of the WebGPU standard that its objects take: in Node they are not there by their names.

export const usage = { mapRead: 1, copySource: 4, copyTarget: 8, uniform: 64, storage: 128 } as const

/** The stage that sees a binding, and the mode of a mapping. */
export const compute = 4
export const forReading = 1
