// The frame of a page: its policy names what is in it, and nothing else.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { html } from '../../../cli/report/html.ts'
import { pageBeginning, renderPage } from '../../../cli/report/page.ts'
import { DrafthorseError } from '../../../engine/errors.ts'

const page = { title: 'A <title>', body: html`<p>text</p>`, charts: [] }

const between = (text: string, pattern: RegExp): string[] => [...text.matchAll(pattern)].map((match) => match[1]!)
const sha256 = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

describe('renderPage', () => {
  it('allows by hash the scripts and the style that are there, and nothing else', () => {
    const text = renderPage({
      ...page,
      scripts: { library: 'var a = 1\r\n//# sourceMappingURL=a.map\n', drawing: 'a + 2' },
    })
    assert.ok(text.startsWith(pageBeginning))
    const scripts = between(text, /<script(?: type="module")?>([\s\S]*?)<\/script>/g)
    assert.deepEqual(scripts, ['var a = 1\n\n', 'a + 2'])
    const [style] = between(text, /<style>([\s\S]*?)<\/style>/g)
    const [policy] = between(text, /<meta http-equiv="Content-Security-Policy" content="(.*)">/g)
    assert.deepEqual(policy!.replaceAll('&#39;', "'").split('; '), [
      "default-src 'none'",
      `script-src ${scripts.map(sha256).join(' ')}`,
      `style-src ${sha256(style!)}`,
      "base-uri 'none'",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
      "trusted-types 'none'",
    ])
    assert.match(text, /<title>A &lt;title&gt;<\/title>/)
    assert.doesNotMatch(text, /\b(?:src|href)=|https?:(?!\/\/www\.chartjs)/)
  })

  it('refuses scripts that would end early', () => {
    for (const library of ['"</SCRIPT>"', '"<!--"']) {
      assert.throws(() => renderPage({ ...page, scripts: { library, drawing: '' } }), DrafthorseError)
    }
  })
})
