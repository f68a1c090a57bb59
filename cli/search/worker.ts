// The process that a worker of `drafthorse search` is: a model of its own, and the objective over it.

import { loadWithProgress, type ModelOptions } from '../model-options.ts'
import { serve } from './serve.ts'
import { openSubject, type SubjectOptions } from './subject.ts'

/** What it is told first. */
export interface WorkerBegin {
  readonly model: ModelOptions
  readonly subject: SubjectOptions
}

serve(async (begin) => {
  const { model: options, subject } = begin as WorkerBegin // from the search, which is of the same version
  const model = await loadWithProgress(options, new AbortController().signal)
  return (await openSubject(model, subject)).objective
})
