// Charts as data: what `in-page.ts` draws from the JSON of a page.

import type { Html } from './html.ts'
import { html } from './html.ts'

/** What a chart shows. Colours count through the palette of the page; -1 is grey. */
export interface Chart {
  /** For the element that it is drawn into: letters and dashes. */
  readonly id: string
  /** What it shows, for whoever cannot see it. */
  readonly label: string
  readonly x: Axis
  readonly y: Axis
  readonly series: readonly Series[]
}

export interface Axis {
  readonly title: string
  /** `share` shows 0.5 as 50 %; default `number`. */
  readonly unit?: 'share' | 'count' | 'number'
  readonly min?: number
  readonly max?: number
  /** Names along the axis instead of numbers. */
  readonly names?: readonly string[]
}

export type Series = Line | Dots | Bars

interface Named {
  readonly name: string
  readonly colour: number
}

export interface Line extends Named {
  readonly kind: 'line'
  readonly points: readonly Dot[]
  /** `steps`: a value holds until the next. Default `straight`. */
  readonly shape?: 'straight' | 'steps'
  /** Default `solid`. */
  readonly stroke?: 'solid' | 'dashed'
}

export interface Dots extends Named {
  readonly kind: 'dots'
  readonly points: readonly Dot[]
  /** Default `small`. */
  readonly size?: 'small' | 'large'
}

export interface Bars extends Named {
  readonly kind: 'bars'
  /** One for each name of the x axis. */
  readonly values: readonly number[]
}

export interface Dot {
  readonly x: number
  readonly y: number
  /** From here to there in y: a band around a line, an error bar through a dot. */
  readonly low?: number
  readonly high?: number
  /** Said when it is pointed at. */
  readonly label?: string
}

/** Where a chart goes. Its figures stand in a table beside it, which the label names. */
export function chartPlace({ id, label }: Chart): Html {
  return html`<div class="chart"><canvas id="${id}" role="img" aria-label="${label}"></canvas></div>`
}
