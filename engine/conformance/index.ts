// The conformance cases and their checker: does a backend do what engine/backend.ts says? Free of any test framework.

export {
  blockLimit,
  type Case,
  type CaseKind,
  type CaseSubject,
  exactLimit,
  type InvarianceScope,
  type Limits,
  type Outcome,
  runCase,
} from './case.ts'
export { caseSubjects, defaultSeed, type OpCaseOptions, opCases } from './cases.ts'
export {
  type CheckOptions,
  checkBackend,
  type Finding,
  type OpReport,
  type OutcomeEvent,
  type Report,
} from './check.ts'
export { bitDifference, bitsOf, type CompareOptions, type Comparison, compare } from './compare.ts'
export type { OpenAnother } from './lifetime.ts'
export { type Random, randomFor } from './random.ts'
export { type OpTime, type TimeOptions, timeOps } from './timing.ts'
