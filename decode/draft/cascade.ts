// Several drafts in a row: the first that has something is verified.

import { ArgumentError } from '../../engine/errors.ts'
import type { CascadeDraft, Draft, SingleDraft } from './draft.ts'

/**
 * Asks `drafts` in their order until one has tokens, such as `cascade(promptLookup(), skipLayers(skip))`: the cheap one
 * first. The parts of a cascade among them stand in its place. Throws {@link ArgumentError} where there is none, or where
 * two parts share a name, by which statistics and draft lengths tell them apart.
 */
export function cascade(...drafts: readonly Draft[]): CascadeDraft {
  const parts = drafts.flatMap((draft): readonly SingleDraft[] => ('parts' in draft ? draft.parts : [draft]))
  if (parts.length === 0) throw new ArgumentError('a cascade of no drafts, expected one or more')
  const names = parts.map(({ name }) => name)
  const twice = names.find((name, at) => names.indexOf(name) < at)
  if (twice !== undefined) {
    throw new ArgumentError(`two drafts of a cascade are called "${twice}"; give one another name: { ...draft, name }`)
  }
  return { name: names.join(', then '), parts }
}
