// What a conformance case is, what it may find, and the limits that it is held to. Open: any object of this shape is a
// case, so the whole-model cases and a user's own run beside those of the ops.

import type { Backend, OpName } from '../backend.ts'
import { isBlockType, type WeightDType } from '../dtype.ts'

/** What a case is about: an op, the memory and lifetime of handles, or a whole model. */
export type CaseSubject = OpName | 'memory' | 'model'

export type CaseKind = 'accuracy' | 'invariance' | 'errors'

/**
 * What an invariance case asks for. `passes`: the same bits in any pass, however wide. `width`: the same bits among passes of one
 * number of rows. `repeat`: the same bits from the same input twice.
 */
export type InvarianceScope = 'passes' | 'width' | 'repeat'

export interface Case {
  readonly op: CaseSubject
  readonly kind: CaseKind
  /** Says what holds, and for which shapes. Unique within its op. */
  readonly name: string
  /** The weight type that it needs, if any: a backend that does not list it skips the case. */
  readonly dtype?: WeightDType | undefined
  /** Only of invariance cases. */
  readonly scope?: InvarianceScope | undefined
  /** Leaves the backend as it was, whatever it finds. May throw; {@link runCase} does not. */
  run(backend: Backend): Promise<Outcome>
}

/** How a case ended. Errors are normalised squared errors, `sum((a - b)^2) / sum(b^2)`, the worst of the case. */
export type Outcome =
  | { readonly status: 'ok'; readonly error?: number | undefined; readonly limit?: number | undefined }
  /** Not invariant, on a backend that does not promise to be. */
  | { readonly status: 'found'; readonly message: string }
  | { readonly status: 'skipped'; readonly message: string }
  | {
      readonly status: 'failed'
      readonly message: string
      readonly error?: number | undefined
      readonly limit?: number | undefined
    }

/**
 * Error limits by op, for backends whose device computes less exactly (its own `exp` or `rsqrt`); the others keep
 * {@link exactLimit}. Weights in blocks have at least {@link blockLimit} in any case.
 */
export type Limits = Readonly<Partial<Record<OpName, number>>>

/** For f32 and bf16 weights (which widen exactly): f32 arithmetic has room to spare. */
export const exactLimit = 1e-10

/** For weights in blocks: a backend may quantise each row of activations to 14 bits, so as to multiply in integers. */
export const blockLimit = 1e-6

/** What the makers of cases are given. */
export interface CaseSettings {
  /** Where all inputs come from. */
  readonly seed: number
  readonly limits: Limits
}

/** The largest normalised squared error that an op may have with weights of this type. */
export function errorLimit(settings: CaseSettings, op: OpName, dtype: WeightDType = 'f32'): number {
  const limit = settings.limits[op] ?? exactLimit
  return isBlockType(dtype) ? Math.max(limit, blockLimit) : limit
}

/** Runs a case; what it throws becomes a failed outcome. Never rejects. */
export async function runCase(item: Case, backend: Backend): Promise<Outcome> {
  if (item.dtype && !backend.capabilities.dtypes.includes(item.dtype)) {
    return { status: 'skipped', message: `${backend.name} does not list ${item.dtype} among its weight types` }
  }
  try {
    return await item.run(backend)
  } catch (error) {
    return { status: 'failed', message: `threw ${describeError(error)}` }
  }
}

/** The error with the frames that a kernel writer needs: its own, not those of the suite. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line))
  return [`${error.name}: ${error.message}`, ...frames.slice(0, 3)].join('\n')
}
