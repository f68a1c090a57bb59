// The story as it is told: runs of text, each of one source.

/** Who a piece of text is from: `draft` was drafted and accepted, `model` the model's own. */
export type Source = 'prompt' | 'draft' | 'model'

export interface Story {
  begin(prompt: string): void
  add(text: string, source: Exclude<Source, 'prompt'>): void
}

const classes: Readonly<Record<Source, string>> = { prompt: 'prompt', draft: 'drafted', model: 'own' }

/** Writes into `element`. A run of tokens from the same source is one element of the page. */
export function createStory(element: HTMLElement): Story {
  let run: { readonly source: Source; readonly text: Text } | undefined

  function add(text: string, source: Source): void {
    if (text === '') return
    if (run?.source !== source) {
      const span = document.createElement('span')
      span.className = classes[source]
      run = { source, text: document.createTextNode('') }
      span.append(run.text)
      element.append(span)
    }
    run.text.appendData(text)
  }

  return {
    begin(prompt) {
      element.replaceChildren()
      run = undefined
      add(prompt, 'prompt')
    },
    add,
  }
}
