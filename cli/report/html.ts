// HTML that is put together from strings of strangers: whatever goes into it is escaped, unless it is such HTML itself.

/** Markup; made by {@link html} alone. */
export interface Html {
  readonly markup: string
}

type Part = string | number | Html | readonly Html[]

/** A template in which texts stay text, between tags and in quoted attributes. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Html {
  return { markup: strings.reduce((sum, text, i) => sum + markupOf(parts[i - 1]!) + text) }
}

function markupOf(part: Part): string {
  if (typeof part === 'object') return 'markup' in part ? part.markup : part.map(({ markup }) => markup).join('')
  return escaped(`${part}`)
}

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Control characters, which HTML has no way to write, and marks that turn the direction of what follows are shown as U+FFFD. */
export function escaped(text: string): string {
  return (
    text
      .replace(/[&<>"']/g, (mark) => entities[mark]!)
      // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
      .replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
  )
}

/** JSON for a script element that does not run: nothing in it ends the element, or begins a comment. */
export function jsonForScript(value: unknown): string {
  return JSON.stringify(value).replace(
    /[<>&\u2028\u2029]/g,
    (mark) => `\\u${mark.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
