// Decoding without a model: rounds whose costs, and drafts whose acceptance, are given, so that policies can be tried on
// changes of regime, on noise and on thousands of rounds.
import type { DraftCosts, DraftLength, DraftLengthSession, LaneReport, RoundReport } from 'drafthorse/decode'
import { randomFor } from '../../engine/conformance/random.ts'

/** A draft by what it costs and brings at each place of the text. */
export interface SimulatedDraft {
  readonly name: string
  /** Of one of its passes over a plain one, in round `round`; without it the draft guesses for nothing. */
  readonly pass?: (round: number) => number
  /** The chance that its token for this place is right. */
  chance(place: number): number
  /** What is guessed from a place on; without it a draft proposes as many as it may. */
  guess?(place: number): { readonly kind?: string; readonly length: number } | undefined
  /** Whether it is an early exit, which plain steps can show: then a tenth of such a step more. */
  readonly exit?: boolean
  /** Whether its confidence tells good tokens, right 19 times of 20, from the others. */
  readonly confident?: boolean
}

export interface Simulation {
  readonly drafts: readonly SimulatedDraft[]
  readonly tokens: number
  readonly seed?: number
  /** A pass of so many rows over that of one. Default 1 + 0.1 for each row more. */
  readonly verify?: (rows: number) => number
  /** A plain pass of one row in milliseconds. Default 10. */
  readonly plainMs?: (round: number) => number
  /** Relative standard deviation of a round's time. Default 0. */
  readonly noise?: number
  /** Share of rounds that take five times as long. Default 0. */
  readonly outliers?: number
  /** Spans in which others use the machine and all takes longer: a new one of `length` ms on average, of a factor up to `most`. */
  readonly spans?: { readonly length: number; readonly most: number }
  readonly prior?: DraftCosts
  readonly freeReads?: boolean
  readonly lanes?: number
}

export interface Simulated {
  /** What the rounds would have taken without noise: noise has shown in what a policy did, and need not show twice. */
  readonly ms: number
  /** What plain decoding of as many tokens takes. */
  readonly plainMs: number
  readonly rounds: readonly RoundReport[]
  readonly session: DraftLengthSession
}

export const affine =
  (slope: number) =>
  (rows: number): number =>
    1 + slope * (rows - 1)

/** A draft that runs the model: its chance everywhere, and the cost of its passes. */
export const skip = (chance: number, pass: number, more: Partial<SimulatedDraft> = {}): SimulatedDraft => ({
  name: 'skip',
  pass: () => pass,
  chance: () => chance,
  ...more,
})

export const changing =
  (when: number, before: number, after: number) =>
  (at: number): number =>
    at < when ? before : after

/** The share of rounds that drafted. */
export const drafting = (rounds: readonly RoundReport[]): number =>
  rounds.filter(({ lanes }) => lanes.some(({ drafted }) => drafted > 0)).length / rounds.length

/** Costs and survivals as a skip file has them. */
export function priorOf({ draft, chance, slope }: { draft: number; chance: number; slope: number }): DraftCosts {
  const eight = Array.from({ length: 8 }, (_, i) => i + 1)
  return { draft, verify: eight.map(affine(slope)), survival: eight.map((depth) => chance ** depth) }
}

export function simulate(policy: DraftLength, simulation: Simulation): Simulated {
  const {
    drafts,
    tokens,
    seed = 1,
    verify = affine(0.1),
    plainMs = () => 10,
    noise = 0,
    outliers = 0,
    spans,
  } = simulation
  const { prior, freeReads = false, lanes = 1 } = simulation
  const session = policy.start({ drafts: drafts.map(({ name }) => name), prior, freeReads })
  const random = randomFor(seed, 'rounds')
  const texts = drafts.map((draft) => tokensOf(seed, draft))
  const rounds: RoundReport[] = []
  const places = Array.from({ length: lanes }, (_, lane) => lane * 1_000_003)
  let [ms, plain, made] = [0, 0, 0]
  let [slow, left] = [1, 0]

  while (made < tokens * lanes) {
    const round = rounds.length
    const reports = places.map((place) => oneLane(place))
    const plainStep = reports.every(({ drafted }) => drafted === 0)
    const shown = plainStep ? drafts.find(({ name, exit }) => exit && session.wantsExit?.(name)) : undefined
    if (shown) for (const place of places) show(shown, place)
    const passes = Math.max(0, ...reports.map(({ draft, drafted }) => (passOf(draft) ? drafted : 0)))
    const rows = reports.reduce((sum, { drafted }) => sum + drafted + 1, 0)
    const runner = reports.find(({ draft }) => passOf(draft))?.draft
    const cost = verify(rows) + passes * (passOf(runner)?.(round) ?? 0) * verify(lanes) + (shown ? 0.1 : 0)
    const factor = Math.max(0.2, 1 + noise * random.bell()) * (random.uniform() < outliers ? 5 : 1)
    if (spans && left <= 0) {
      slow = slow === 1 ? 1 + random.uniform() * (spans.most - 1) : 1
      left = -Math.log(1 - random.uniform()) * spans.length
    }
    const took = cost * plainMs(round) * factor * slow
    left -= took
    const report = {
      ...{ lanes: reports, ms: took, draftPasses: passes, draftMs: 0, rows, verifyMs: took },
      ...(shown && { showedExit: true }),
    }
    session.observe?.(report)
    rounds.push(report)
    ms += cost * plainMs(round)
    for (const [lane, { accepted }] of reports.entries()) {
      places[lane]! += accepted + 1
      made += accepted + 1
      plain += ((accepted + 1) * verify(lanes) * plainMs(round)) / lanes
    }
  }
  return { ms, plainMs: plain, rounds, session }

  function passOf(name: string | undefined): SimulatedDraft['pass'] {
    return drafts.find((draft) => draft.name === name)?.pass
  }

  function show({ name: draft }: SimulatedDraft, place: number): void {
    const { right } = texts[drafts.findIndex(({ name }) => name === draft)]!(place)
    session.observeGuess?.({ draft, limit: 0, drafted: 1, accepted: right ? 1 : 0 })
  }

  function oneLane(place: number): LaneReport {
    let report: LaneReport = { draft: undefined, limit: 0, drafted: 0, accepted: 0 }
    for (const [at, draft] of drafts.entries()) {
      const tokenAt = texts[at]!
      const guess = draft.guess?.(place)
      if (draft.guess && !guess) continue
      const about = { draft: draft.name, kind: guess?.kind }
      const held = (length: number): number => {
        let accepted = 0
        while (accepted < length && tokenAt(place + accepted).right) accepted++
        return accepted
      }
      if (report.drafted > 0) {
        if (guess) session.observeGuess?.({ ...about, limit: 0, drafted: guess.length, accepted: held(guess.length) })
        continue
      }
      const { most, goesOn } = session.next({ ...about, guessed: guess?.length, lanes })
      const limit = Math.min(most, guess?.length ?? most)
      if (limit === 0) {
        if (guess) session.observeGuess?.({ ...about, limit: 0, drafted: guess.length, accepted: held(guess.length) })
        continue
      }
      const confidences: number[] = []
      let drafted = 0
      while (drafted < limit) {
        const { confidence } = tokenAt(place + drafted++)
        if (!goesOn || !draft.confident) continue
        confidences.push(confidence)
        if (!goesOn(confidence)) break
      }
      const accepted = held(drafted)
      report = { ...about, limit, drafted, accepted, ...(goesOn && { confidences }) }
    }
    return report
  }
}

interface SimulatedToken {
  readonly right: boolean
  readonly confidence: number
}

/** What a draft says for a place, and whether it is right: the same for every policy. */
function tokensOf(seed: number, draft: SimulatedDraft): (place: number) => SimulatedToken {
  const known = new Map<number, SimulatedToken>()
  function tokenAt(place: number): SimulatedToken {
    const random = randomFor(seed, `${draft.name} ${place}`)
    const chance = draft.chance(place)
    if (!draft.confident) return { right: random.uniform() < chance, confidence: chance }
    // Sure ones are right 19 times of 20, the others 3 of 10, so that all together are right as often as they should be.
    const sure = random.uniform() < (chance - 0.3) / 0.65
    const confidence = sure ? 0.95 : Math.min(0.3, chance)
    return { right: random.uniform() < confidence, confidence }
  }
  return (place) => {
    const token = known.get(place) ?? tokenAt(place)
    known.set(place, token)
    return token
  }
}
