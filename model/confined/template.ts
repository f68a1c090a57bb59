// Renders a chat template by @huggingface/jinja, with the functions that transformers gives to templates.

import { Environment, Interpreter, Template } from '@huggingface/jinja'
import { formatDate } from './strftime.ts'

export interface RenderRequest {
  readonly template: string
  readonly variables: Readonly<Record<string, unknown>>
  /** What `strftime_now` calls now, in ms since 1970. */
  readonly now: number
}

/**
 * `refused`: what a template says to messages that it does not take. `late`: it was stopped, for time or memory. `ended`: so
 * was it, by who asked for it.
 */
export type Reply =
  | { readonly kind: 'done'; readonly value: string }
  | { readonly kind: 'failure' | 'refused'; readonly message: string }
  | { readonly kind: 'late' | 'ended' }

/** Characters of a prompt that are believed. */
const longest = 2 ** 24

/** Numbers in a range, as in Jinja's own sandbox. */
const longestRange = 100_000

/** What a template throws of itself. */
class Refusal extends Error {}

/** The text, or why there is none: the template's own words where it refuses the messages. */
export function renderTemplate({ template, variables, now }: RenderRequest): Reply {
  try {
    const environment = new Environment()
    for (const [name, value] of Object.entries({ ...globals(now), ...variables })) environment.set(name, value)
    const { value: text }: { value: string } = new Interpreter(environment).run(new Template(template).parsed)
    if (text.length > longest) return { kind: 'failure', message: `its prompt has ${text.length} characters` }
    return { kind: 'done', value: text }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { kind: error instanceof Refusal ? 'refused' : 'failure', message }
  }
}

function globals(now: number): Record<string, unknown> {
  const constants = { true: true, True: true, false: false, False: false, none: null, None: null }
  return {
    ...constants,
    range,
    strftime_now: (format: string) => formatDate(new Date(now), format),
    raise_exception(message: string) {
      throw new Refusal(message)
    },
  }
}

/** As Python's. */
function range(first: number, last?: number, step = 1): number[] {
  const [start, stop] = last === undefined ? [0, first] : [first, last]
  const length = Math.max(0, Math.ceil((stop - start) / step))
  if (!(length <= longestRange)) throw new RangeError(`a range of ${length} numbers is too long`)
  return Array.from({ length }, (_, i) => start + i * step)
}
