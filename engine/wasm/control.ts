// The words of shared memory by which the host and the threads agree, as places in an array of 32-bit words;
// `kernels/control.ts` says what they are for.

/** Bytes before the first that may be allocated. */
export const reserved = 1024

/** The share that is to be taken next; threads sleep here in the midst of a list. */
export const ticket: number = 64 / 4
/** The lowest bits of the ticket, when there is no list. */
export const noShare = 0xfff
/** Tickets begin anew after this one. */
export const mostTicket = 0x7fffffff
/** Threads that sleep in the midst of a list. */
export const sleepers: number = 192 / 4
/** Counts the lists; threads sleep here between them, apart from those that sleep in the midst of one. */
export const lists: number = 320 / 4
/** Who sees that a list has ended. */
export const hearer: number = 256 / 4
/** The calling thread, which works on it. */
export const itself = 0
/** The calling thread, by a message. */
export const message = 1
/** It has ended. */
export const seen = 2
/** The ticket that tells threads to end. */
export const ended = -1
export const stageStart: number = 448 / 4
export const listEnd: number = 452 / 4
export const dataStart: number = 456 / 4
export const scratchStart: number = 460 / 4
export const scratchBytes: number = 464 / 4
