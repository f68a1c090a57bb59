// The page of a search: what it came to, then each chart with the table of its figures.

import { percent } from '../summary.ts'
import { type Chart, chartPlace } from './chart.ts'
import { type Html, html } from './html.ts'
import { foldedTable, htmlTable } from './html-table.ts'
import type { Page } from './page.ts'
import { searchCharts, shownSets } from './search-charts.ts'
import { fastest, knowsLosses, type SearchFigures } from './search-figures.ts'
import {
  bestTable,
  conditions,
  confirmedTable,
  costTable,
  frequencyTable,
  passTable,
  setTable,
  soFarTable,
  strategyNotes,
  strategyTable,
  verdict,
} from './search-tables.ts'
import { skipMap } from './skip-map.ts'

export function searchPage(figures: SearchFigures): Omit<Page, 'scripts'> {
  const charts = searchCharts(figures)
  const place = (id: string): Html | readonly Html[] =>
    charts.filter((chart: Chart) => chart.id === id).map((chart) => chartPlace(chart))
  const title = `Skip sets for ${figures.header.model}`
  const parts = figures.sets.length === 0 ? [] : [strategiesPart, mapPart, paretoPart, confirmedPart]
  const body = html`<header>
<h1>${title}</h1>
${verdict(figures).map((line) => html`<p class="verdict${line.startsWith('NOT') ? ' warn' : ''}">${line}</p>`)}
<dl class="facts">${conditions(figures).map(([what, value]) => html`<div><dt>${what}</dt><dd>${value}</dd></div>`)}</dl>
</header>
<main>
${parts.map((part) => part(figures, place))}
${costsPart(figures)}
</main>
<footer>Written by drafthorse search report. This file holds all of its figures, and asks no network for anything. The charts are drawn by Chart.js (MIT).</footer>`
  return { title, body, charts }
}

/** Puts a chart where it belongs, if there is one. */
type Place = (id: string) => Html | readonly Html[]

function strategiesPart(figures: SearchFigures, place: Place): Html {
  return html`<section>
<h2>Best so far by evaluation</h2>
<p class="faint">Expected speed-up of the best set that a strategy knew after so many evaluations; where it ran with several seeds, the median and, as a band, the quartiles. A search that ended keeps its best. The axis may begin where the strategies were after a tenth of their evaluations.</p>
${place('best-so-far')}
${htmlTable(strategyTable(figures))}
<p class="faint">${strategyNotes.join(' ')}</p>
${foldedTable(soFarTable(figures), 'Figures of the chart: every evaluation that changed something')}
</section>`
}

function mapPart(figures: SearchFigures, place: Place): Html {
  const { bestTenth } = figures
  return html`<section>
<h2>Skip map</h2>
<p class="faint">The best set of each strategy: which attention and which MLP it skips when it drafts.${
    fastest(figures)
      ? ''
      : ` Plain decoding is faster than all sets${knowsLosses(figures) ? '; these lose least' : ''}.`
  }</p>
${skipMap(figures)}
${htmlTable(bestTable(figures))}
${
  fastest(figures)
    ? html`<h3>What the fastest tenth skips</h3>
<p class="faint">Of the sets that are faster than plain decoding, the fastest tenth (${bestTenth.sets} ${bestTenth.sets === 1 ? 'set' : 'sets'}, with those as fast as its last): how many of them skip each sublayer.</p>
${place('best-tenth')}
${foldedTable(frequencyTable(figures), 'Figures of the chart')}`
    : []
}
</section>`
}

/** More are folded. */
const fewRows = 12

function paretoPart(figures: SearchFigures, place: Place): Html {
  const { sets, front } = figures
  const shown = shownSets(figures)
  const frontTitle = `The Pareto front: ${front.length} sets, the cheapest first`
  const some =
    shown.length < sets.length ? `${shown.length} of ${sets.length} sets, the fastest among them` : 'all sets'
  return html`<section>
<h2>Acceptance against cost</h2>
<p class="faint">A dot is a skip set (${some}): what a draft pass of one row costs over a plain pass, and the share of places at which the first drafted token is accepted. Sets on the Pareto front have none that is both cheaper and better accepted.</p>
${place('acceptance-cost')}
${front.length > fewRows ? foldedTable(setTable(front), frontTitle) : htmlTable(setTable(front), frontTitle)}
${foldedTable(setTable(shown), shown.length < sets.length ? `Figures of the dots: ${some}` : `All ${sets.length} sets, the fastest first`)}
</section>`
}

function confirmedPart(figures: SearchFigures, place: Place): Html {
  return html`<section>
<h2>Predicted against measured</h2>
${
  figures.confirmed.length === 0
    ? html`<p>No set was confirmed by timed runs. <code>drafthorse search --confirm N</code> does so.</p>`
    : html`<p class="faint">Timed generation, drafting and plain decoding in turns: the median of the ratios, and their quartiles.</p>
${place('predicted-measured')}
${htmlTable(confirmedTable(figures))}`
}
</section>`
}

function costsPart(figures: SearchFigures): Html {
  return html`<section>
<h2>What the expectations rest on</h2>
<p class="faint">Costs that were measured once, when the search began.</p>
${htmlTable(passTable(figures), 'A pass over several rows, over a pass of one')}
${foldedTable(costTable(figures), `What each sublayer costs, over a plain pass; a draft pass costs ${percent(figures.header.around)} more, whatever it skips`)}
</section>`
}
