// Which sublayers the best sets skip: a column for each layer, in a page.

import { type Html, html } from './html.ts'
import { fastest, type SearchFigures } from './search-figures.ts'

/** From so many layers on columns are narrow, and every fifth has its number. */
const dense = 32

/** The best set of each strategy, and how often the fastest tenth skips each sublayer. */
export function skipMap(figures: SearchFigures): Html {
  const { strategies, bestTenth, header } = figures
  const layers = header.sublayers / 2
  const every = layers > dense ? 5 : 1
  const numbers = Array.from(
    { length: layers },
    (_, layer) => html`<th scope="col">${layer % every === 0 ? layer : html`<span class="sr">${layer}</span>`}</th>`,
  )
  const rows = (name: string, cell: (sublayer: number) => Html): Html =>
    html`<tbody>${['attention', 'MLP'].map(
      (kind, offset) =>
        html`<tr>${offset === 0 ? html`<th scope="rowgroup" rowspan="2" class="strategy">${name}</th>` : []}<th scope="row">${kind}</th>${Array.from(
          { length: layers },
          (_, layer) => cell(2 * layer + offset),
        )}</tr>\n`,
    )}</tbody>`
  const skipped = html`<td class="skipped"><span class="sr">skipped</span></td>`
  const run = html`<td></td>`
  return html`<div class="wide"><table class="map${layers > dense ? ' dense' : ''}">
<thead><tr><th class="corner"></th><th>layer</th>${numbers}</tr></thead>
${strategies.map(({ strategy, best }) => rows(strategy, (i) => (best.key[i] === '1' ? skipped : run)))}
${fastest(figures) ? rows('fastest tenth', (i) => shade(bestTenth.shares[i]!)) : []}
</table></div>
<p class="key"><span><span class="swatch skipped"></span>skipped in drafts</span><span><span class="swatch"></span>runs</span>${
    fastest(figures)
      ? html`<span><span class="swatch frequent"></span>skipped by all of the fastest tenth (paler: by fewer)</span>`
      : []
  }</p>`
}

function shade(share: number): Html {
  const tenths = Math.ceil(10 * share)
  return html`<td${tenths > 0 ? html` class="f${tenths}"` : []}><span class="sr">${(100 * share).toFixed(0)} %</span></td>`
}
