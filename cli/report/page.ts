// A page that is one file: text, tables, charts and what draws them. It asks no network for anything, and runs nothing but
// what was put into it.

import { createHash } from 'node:crypto'
import { DrafthorseError } from '../../engine/errors.ts'
import type { Chart } from './chart.ts'
import type { Scripts } from './chart-scripts.ts'
import { type Html, html, jsonForScript } from './html.ts'
import { style } from './style.ts'

/** How every page begins: what stands in a file's place and does not begin so was not made here. */
export const pageBeginning = '<!doctype html>\n<html lang="en" data-format="drafthorse/page@1">\n'

export interface Page {
  readonly title: string
  readonly body: Html
  /** Drawn where the body has a place for each. */
  readonly charts: readonly Chart[]
  readonly scripts: Scripts
}

/**
 * The page as text. Its policy allows the scripts and the style that are in it, by their hashes, and nothing else: should a
 * string ever find its way into the markup, it will not run, and nothing will leave.
 */
export function renderPage({ title, body, charts, scripts }: Page): string {
  const library = inline(scripts.library)
  const drawing = inline(scripts.drawing)
  const policy = [
    "default-src 'none'",
    `script-src ${hashOf(library)} ${hashOf(drawing)}`,
    `style-src ${hashOf(style)}`,
    "base-uri 'none'",
    "form-action 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ')
  const head = html`<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
<style>${{ markup: style }}</style>
</head>`
  const foot = html`<noscript><p class="warn">The charts need JavaScript; their figures are in the tables.</p></noscript>
<script type="application/json" id="charts">${{ markup: jsonForScript(charts) }}</script>
<script>${{ markup: library }}</script>
<script type="module">${{ markup: drawing }}</script>`
  return `${pageBeginning}${head.markup}\n<body>\n${body.markup}\n${foot.markup}\n</body>\n</html>\n`
}

/** As a policy names what may run: by the bytes between the tags. */
function hashOf(text: string): string {
  return `'sha256-${createHash('sha256').update(text, 'utf8').digest('base64')}'`
}

/** A script as it stands in a page, where a browser reads every end of a line as LF. Throws where it cannot stand in one. */
function inline(script: string): string {
  const text = script.replace(/\r\n?/g, '\n').replace(/^\/\/# sourceMappingURL=.*$/gm, '')
  if (/<\/script|<!--/i.test(text)) {
    throw new DrafthorseError(
      'PageError',
      'ERR_PAGE',
      'a script with "</script" or "<!--" in it cannot stand in a page',
    )
  }
  return text
}
