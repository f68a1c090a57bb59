// An early exit in question: plain steps show what it would have proposed, which takes the place of attempts.

export interface ExitShows {
  /** Whether the draft is known to be an early exit, of which plain steps ask whether to show it. */
  readonly known: boolean
  /** Whether it is being shown. */
  readonly begun: boolean
  /** Whether enough was shown to judge by. */
  readonly enough: boolean
  /** It is in question: a plain step, if this round becomes one, is to show it. */
  want(): void
  /** Asked by a plain step: whether to show it. */
  show(affordable: boolean): boolean
  /** It was found wanting: it is to be shown anew before it is judged again. */
  forget(): void
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
    get enough() {
      return shown >= needed
    },
    want() {
      wanted = true
    },
    show(affordable) {
      known = true
      const shows = wanted && affordable
      wanted = false
      if (shows) shown++
      return shows
    },
    forget() {
      shown = 0
    },
  }
}
