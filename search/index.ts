// Which sublayers to skip: the space, the objective, and what finds its way in it.

export { type Candidate, type Confirmed, type ConfirmOptions, confirm, type Timed } from './confirm.ts'
export { type CostOptions, costsOf, measureCosts, measureRound, medianContext, type SublayerCosts } from './costs.ts'
export {
  type BeginRecord,
  type Budget,
  type ConfirmedRecord,
  type EndReason,
  type EndRecord,
  expectSameSearch,
  type JournalHeader,
  type JournalRecord,
  journalFormat,
  journalLine,
  type PointRecord,
  type SearchIdentity,
} from './journal.ts'
export { type Journal, parseJournal } from './journal-reader.ts'
export type { SearchEvent, SearchLog } from './ledger.ts'
export type { Found } from './memory.ts'
export { type ModelledOptions, modelledObjective, objectiveId } from './modelled.ts'
export type { Evaluation, Inside, Objective } from './objective.ts'
export { type RecordedText, type Recording, type RecordingOptions, record } from './recording.ts'
export { type Accepted, type ReplayOptions, replay } from './replay.ts'
export { type ReplayedRound, roundsOf } from './replayed-rounds.ts'
export { runSearch, type SearchOptions, type SearchOutcome, type StrategyOutcome } from './run.ts'
export { distance, exits, flipped, keyOf, type Point, pointOf, pointOfSkip, skipOf } from './space.ts'
export { initialPoints, strategies } from './strategies/index.ts'
export type { Asking, Strategy, StrategyStart, Told } from './strategies/strategy.ts'
export { beatsPlain, fastest, leastMedian, type Timing, timedLast, unasked } from './verdict.ts'
