// The page: loads the embedded model, tells stories with it, and shows which tokens were drafted and how fast they came.

import { type GenerationResult, generate, loadModel, type Model } from 'drafthorse'
import openings from 'drafthorse/models/stories/openings.txt?raw'
import { type FetchProgress, fetchModel } from './model-files.ts'
import { createStory } from './story.ts'

/** What the page does; its buttons follow from it. In `empty` there is no model. */
type State = 'empty' | 'loading' | 'ready' | 'telling' | 'unloading'

const byId = <E extends HTMLElement>(id: string, kind: new () => E): E => {
  const element = document.getElementById(id)
  if (element instanceof kind) return element
  throw new Error(`the page has no ${kind.name} with the id "${id}"`)
}

const load = byId('load', HTMLButtonElement)
const tell = byId('tell', HTMLButtonElement)
const stop = byId('stop', HTMLButtonElement)
const another = byId('another', HTMLButtonElement)
const form = byId('ask', HTMLFormElement)
const prompt = byId('prompt', HTMLInputElement)
const progress = byId('progress', HTMLProgressElement)
const status = byId('status', HTMLElement)
const errorText = byId('error', HTMLElement)
const story = createStory(byId('story', HTMLElement))

let model: Model | undefined
/** Ends what is going on. */
let work = new AbortController()

function show(state: State, message: string): void {
  document.body.dataset['state'] = state
  status.textContent = message
  load.textContent = state === 'loading' ? 'Cancel' : model ? 'Unload the model' : 'Load the model'
  load.disabled = state === 'telling' || state === 'unloading'
  tell.disabled = state !== 'ready'
  stop.disabled = state !== 'telling'
}

function showError(error: unknown): void {
  errorText.textContent = error instanceof Error ? error.message : String(error)
  errorText.hidden = false
}

function figure(id: string, value: string | number | undefined): void {
  byId(id, HTMLElement).textContent = value === undefined ? '–' : String(value)
}

function begin(): AbortSignal {
  errorText.hidden = true
  work = new AbortController()
  return work.signal
}

async function loadStories(): Promise<void> {
  const signal = begin()
  progress.removeAttribute('value') // until it is known how much there is
  show('loading', 'Fetching the model')
  try {
    const files = await fetchModel({ signal, onProgress: showFetched })
    progress.value = 0
    figure('bytes', '')
    show('loading', 'Loading the weights')
    model = await loadModel(files, {
      signal,
      onProgress({ loaded, total }) {
        progress.value = loaded / total
      },
    })
    const { threads, device } = model.backend.capabilities
    figure('threads', threads)
    figure('device', device)
    show('ready', 'The model is ready')
  } catch (error) {
    if (!signal.aborted) showError(error)
    show('empty', signal.aborted ? 'Loading was cancelled' : 'The model could not be loaded')
  }
}

function showFetched({ loaded, total }: FetchProgress): void {
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1)
  if (total !== undefined) progress.value = loaded / total
  figure('bytes', `${megabytes(loaded)}${total === undefined ? '' : ` of ${megabytes(total)}`} MB`)
}

async function unload(loaded: Model): Promise<void> {
  begin()
  show('unloading', 'Unloading the model')
  model = undefined
  try {
    await loaded.dispose()
  } catch (error) {
    showError(error)
  }
  figure('threads', undefined)
  figure('device', undefined)
  show('empty', 'The model is unloaded: its threads have ended, and its memory is free')
}

async function tellStory(teller: Model): Promise<void> {
  const signal = begin()
  const fields = new FormData(form)
  const draft = fields.get('draft') === 'none' ? 'none' : 'skip'
  show('telling', 'Telling')
  for (const id of ['speed', 'tokens', 'passes', 'accepted']) figure(id, undefined)
  story.begin(prompt.value)
  try {
    const maxNewTokens = Number(fields.get('length'))
    const stream = generate(teller, prompt.value, { draft, draftLength: 2, maxNewTokens, signal })
    let first: number | undefined
    for await (const event of stream) {
      if (event.type !== 'token') continue
      story.add(event.text, event.source)
      const now = performance.now()
      first ??= now
      figure('tokens', event.index + 1)
      if (now > first) figure('speed', ((event.index / (now - first)) * 1000).toFixed(0))
    }
    const result = await stream.result
    showResult(result)
    show('ready', ended(result))
  } catch (error) {
    showError(error)
    show('ready', 'The story broke off')
  }
}

function showResult({ stats }: GenerationResult): void {
  const { newTokens, rounds, draftedTokens, acceptedTokens, tokensPerSecond } = stats
  figure('tokens', newTokens)
  figure('passes', rounds)
  figure('speed', tokensPerSecond?.toFixed(0))
  figure('accepted', draftedTokens === 0 ? 'none drafted' : `${acceptedTokens} of ${draftedTokens}`)
}

function ended({ finishReason, stats: { newTokens } }: GenerationResult): string {
  const reasons = {
    eos: 'The story has ended',
    stop: 'The story has ended',
    length: 'The story is as long as was asked for',
    context: "The model's context is full",
    aborted: 'Stopped',
  } as const
  return `${reasons[finishReason]}, after ${newTokens} tokens`
}

load.addEventListener('click', () => {
  if (document.body.dataset['state'] === 'loading') work.abort()
  else if (model) void unload(model)
  else void loadStories()
})
form.addEventListener('submit', (event) => {
  event.preventDefault()
  if (model && !tell.disabled) void tellStory(model)
})
stop.addEventListener('click', () => work.abort())
another.addEventListener('click', () => {
  const others = openings.split('\n').filter((line) => line !== '' && line !== prompt.value)
  prompt.value = others[Math.floor(Math.random() * others.length)] ?? prompt.value
})

void loadStories()
