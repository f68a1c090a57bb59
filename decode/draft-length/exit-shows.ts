// An early exit in question: plain steps show what it would have proposed, which takes the place of attempts.

export interface ExitShows {
  /** Whether the draft is known to be an early exit, of which plain steps ask whether to show it. */
  readonly known: boolean
  /** Whether it is being shown. */
  readonly begun: boolean
  /** Asked by a plain step: whether to show it. */
  show(affordable: boolean): boolean
  /** Asked instead of an attempt: whether enough was shown to judge by. If not, the next plain steps show more. */
  enough(): boolean
}

/** Plain steps that show an exit before it is judged. */
const needed = 8

export function exitShows(): ExitShows {
  let [known, wanted, shown] = [false, false, 0]
  return {
    get known() {
      return known
    },
    get begun() {
      return shown > 0
    },
    show(affordable) {
      known = true
      const shows = wanted && affordable
      wanted = false
      if (shows) shown++
      return shows
    },
    enough() {
      wanted = shown < needed
      if (wanted) return false
      shown = 0
      return true
    },
  }
}
