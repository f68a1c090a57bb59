// Tables of text in a page.

import { type Html, html } from './html.ts'
import type { Table } from './search-tables.ts'

/** Wide ones scroll by themselves. */
export function htmlTable({ columns, rows }: Table, caption?: string): Html {
  const classOf = (i: number): string => (columns[i]?.align === 'right' ? 'figure' : 'words')
  return html`<div class="wide"><table>
${caption === undefined ? [] : html`<caption>${caption}</caption>`}
<thead><tr>${columns.map(({ title }, i) => html`<th scope="col" class="${classOf(i)}">${title}</th>`)}</tr></thead>
<tbody>
${rows.map((row) => html`<tr>${row.map((cell, i) => html`<td class="${classOf(i)}">${cell}</td>`)}</tr>\n`)}</tbody>
</table></div>`
}

/** Behind a line that opens it, for what is long. */
export function foldedTable(table: Table, summary: string): Html {
  return html`<details><summary>${summary}</summary>${htmlTable(table)}</details>`
}
