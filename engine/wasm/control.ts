// The words of shared memory by which the host and the threads agree, as places in an array of 32-bit words;
// `kernels/control.ts` says what they are for.

/** Bytes before the first that may be allocated. */
export const reserved = 1024

/** Counts the lists handed over; threads sleep here until there is one more. */
export const handedOver: number = 64 / 4
/** The count that tells them to end. */
export const ended = -1
export const listStart: number = 448 / 4
export const listEnd: number = 452 / 4
export const dataStart: number = 456 / 4
export const scratchStart: number = 460 / 4
export const scratchBytes: number = 464 / 4
