// What a search asks of a skip set: the speed-up that drafting with it is expected to bring, over plain decoding.

import type { Point } from './space.ts'

/** What is known of a point. */
export interface Evaluation {
  /** Tokens per second of decoding over those of plain decoding, at the best draft length; 1 where that is 0. What is sought. */
  readonly speedup: number
  /**
   * The same at the best draft length that is not 0, and so below 1 where plain decoding is fastest. Where `survival` is empty no
   * draft was tried, as none could pay, and this is what it would be if every drafted token stood: a bound that the value is below.
   * What strategies are told, where it is known: most sets of many models are worth less than plain decoding, and of a plain 1 there
   * is nothing to learn.
   */
  readonly drafted?: number
  /** The best draft length; 0 where plain decoding is fastest. */
  readonly draftLength: number
  /**
   * `survival[k - 1]`: the share of the texts' places from which k drafted tokens are accepted, had there been as many. Rounds begin
   * at some of these places only. Empty where no draft was tried.
   */
  readonly survival: readonly number[]
  /** One draft pass of one row over a plain pass. */
  readonly draft: number
}

/** The same point has the same evaluation, always. */
export interface Objective {
  /** Sublayers of a point. */
  readonly sublayers: number
  /** Of everything that an evaluation depends on: journals of other objectives are refused. */
  readonly id: string
  /** What each sublayer costs, over a plain pass, `[sublayers]`. */
  readonly costs: readonly number[]
  /** One for each point, in their order. Throws `AbortError` when the signal says so. */
  evaluate(points: readonly Point[], signal?: AbortSignal): Promise<readonly Evaluation[]>
  /** What strategies that look inside the model ask; undefined where there is no model to look into. */
  readonly inside?: Inside
}

/** The residual stream of the model over sample tokens, for strategies that compare hidden states. */
export interface Inside {
  /** Hidden states of each sample before each sublayer and after the last: `states[sublayer][sample]`, `[hiddenSize]`. */
  states(): Promise<readonly (readonly Float32Array[])[]>
  /** A sublayer on other hidden states of the samples, `[samples]` for each variant; everything before a sample is the full model's. */
  run(sublayer: number, variants: readonly (readonly Float32Array[])[]): Promise<readonly (readonly Float32Array[])[]>
}
