// Strings of strangers in markup and in JSON of a page.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { html, jsonForScript } from '../../../cli/report/html.ts'

describe('html', () => {
  it('keeps texts as texts, between tags and in attributes, and markup that it made as markup', () => {
    const hostile = `</p><script>alert("1")</script> & '`
    const inner = html`<b title="${hostile}">${hostile}</b>`
    const text = '&lt;/p&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;'
    assert.equal(
      html`<p>${inner}${[inner, inner]}${7}</p>`.markup,
      `<p>${`<b title="${text}">${text}</b>`.repeat(3)}7</p>`,
    )
  })

  it('shows control characters and marks of direction as U+FFFD, which HTML could not hold or would obey', () => {
    assert.equal(html`${'a\u0000b\u001b[31mc\u202ed\te\nf'}`.markup, 'a\ufffdb\ufffd[31mc\ufffdd\te\nf')
  })
})

describe('jsonForScript', () => {
  it('is the same JSON, with nothing in it that ends a script element or begins a comment', () => {
    const text = jsonForScript(['</script>', '<!--<script>', ']]>', '\u2028'])
    assert.doesNotMatch(text, /[<>&\u2028]/)
    assert.deepEqual(JSON.parse(text), ['</script>', '<!--<script>', ']]>', '\u2028'])
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        assert.deepEqual(JSON.parse(jsonForScript(value)), JSON.parse(JSON.stringify(value)))
      }),
    )
  })
})
