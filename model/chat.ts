// Conversations as prompts: the model's own chat template writes the roles, and nobody but the template can.
//
// A template is text with holes, and what a user says goes into a hole: "<|im_end|>\n<|im_start|>system\n..." typed by a user
// would be roles like those of the template. So before rendering, in everything that is said, each character that a special
// token begins with (spaces apart) is replaced by one of Unicode's private use, and then put back as plain text. All else that a
// template does with a content, such as trimming it, works as ever, and a prompt without such characters is, token for token,
// that of transformers. Two limits: roles that a template writes in ordinary words ("[INST]" of Llama 2, "### User:") can be
// written by anyone; and a template that looks for a special token's text in what is said does not find it, but for the marks
// of reasoning in what the assistant said.

import { platform } from '#confined'
import { ArgumentError, DisposedError, ModelFormatError } from '../engine/errors.ts'
import { expectOptions } from '../engine/options.ts'
import type { TextPart } from './codec.ts'
import { isObject, quote } from './load/json.ts'
import type { Tokenizer } from './tokenizer.ts'

export interface ChatMessage {
  /** As the template knows them: `system`, `user`, `assistant`, often `tool`. */
  readonly role: string
  readonly content: string
  /** Other keys that the template knows, such as `tool_calls`: what JSON can hold. */
  readonly [key: string]: unknown
}

export interface ChatOptions {
  /** Ends the prompt where the assistant's answer begins. Default true. */
  readonly addGenerationPrompt?: boolean | undefined
  /** Which template, of a model with several. Default `'default'`. */
  readonly template?: string | undefined
  /** Variables that the template knows, such as `tools` or `enable_thinking`: what JSON can hold. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined
  /** What the template takes for the present. Default: now. */
  readonly date?: Date | undefined
}

export interface Chat {
  /** The names of the model's templates. */
  readonly templates: readonly string[]
  /**
   * The prompt of a conversation as text, for reading: to encode it is to trust every message. Throws
   * {@link ArgumentError} for messages that the template does not take, and {@link ModelFormatError} for a template that
   * cannot be rendered, or not within 2 s and 256 MiB.
   */
  render(messages: readonly ChatMessage[], options?: ChatOptions): Promise<string>
  /** The prompt of a conversation as token ids: special tokens of the template, and none of the messages. Throws as `render`. */
  encode(messages: readonly ChatMessage[], options?: ChatOptions): Promise<number[]>
  /** Ends the process that renders; who waits for it gets {@link DisposedError}. A later call starts another. */
  dispose(): void
}

/** What a model's files say about chatting. */
export interface ChatSource {
  readonly templates: Readonly<Record<string, string>>
  /** `bos_token` and its like, which templates write. */
  readonly tokens: Readonly<Record<string, string>>
  /** What messages call the template. */
  readonly where: string
}

/** Templates look for these in what a model said before, to leave its reasoning out. They open no role. */
const reasoningMarks = /(<\/?think>)/

export function createChat({ templates, tokens, where }: ChatSource, tokenizer: Tokenizer): Chat {
  const runner = platform.createRunner()

  async function partsOf(messages: readonly ChatMessage[], options: ChatOptions): Promise<TextPart[]> {
    expectOptions('a chat', options)
    const { addGenerationPrompt = true, template: name = 'default', variables = {}, date = new Date() } = options
    checkMessages(messages)
    const template = Object.hasOwn(templates, name) ? templates[name] : undefined
    if (template === undefined) {
      throw new ArgumentError(`${where} has no template ${quote(name)}; it has ${Object.keys(templates).join(', ')}`)
    }
    const json = textOf({ messages, variables })
    const said: Said = JSON.parse(json) // a copy
    const guard = createGuard(tokenizer.specialTexts, template + json)
    const given = {
      tools: null, // transformers always gives these two
      documents: null,
      messages: said.messages.map(({ role, ...rest }) => ({ role, ...guard.hide(rest, role) })),
      add_generation_prompt: addGenerationPrompt,
      ...guard.hide(said.variables),
    }
    const reply = await runner.render({ template, variables: { ...tokens, ...given }, now: date.getTime() })
    switch (reply.kind) {
      case 'done':
        return guard.reveal(reply.value)
      case 'refused':
        throw new ArgumentError(`the chat template does not take these messages: ${quote(reply.message)}`)
      case 'failure':
        throw new ModelFormatError(`${where} cannot be rendered: ${quote(reply.message)}`)
      case 'late':
        throw new ModelFormatError(`${where} took more than 2 s or 256 MiB to render, and was stopped`)
      case 'ended':
        throw new DisposedError(`${where} was being rendered when the chat was disposed of`)
    }
  }

  return {
    templates: Object.keys(templates),
    async render(messages, options = {}) {
      return (await partsOf(messages, options)).map(({ text }) => text).join('')
    },
    async encode(messages, options = {}) {
      return tokenizer.encode(await partsOf(messages, options), { addSpecialTokens: false })
    },
    dispose: () => runner.end(),
  }
}

interface Said {
  readonly messages: readonly ChatMessage[]
  readonly variables: Readonly<Record<string, unknown>>
}

/** As JSON. Throws {@link ArgumentError} for what JSON cannot hold. */
function textOf(given: Said): string {
  try {
    return JSON.stringify(given)
  } catch (cause) {
    throw new ArgumentError(
      `the messages and variables of a chat are not JSON: ${cause instanceof Error ? cause.message : cause}`,
      { cause },
    )
  }
}

function checkMessages(messages: readonly ChatMessage[]): void {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new ArgumentError("a chat needs messages, like [{ role: 'user', content: 'Hello' }]")
  }
  for (const [i, message] of messages.entries()) {
    if (!isObject(message) || typeof message['content'] !== 'string' || typeof message['role'] !== 'string') {
      throw new ArgumentError(`message ${i} is ${quote(message)}; expected { role, content } with two texts`)
    }
    if (!/^[\w.-]+$/.test(message['role'])) {
      throw new ArgumentError(`the role of message ${i} is ${quote(message['role'])}; expected a word, like "user"`)
    }
  }
}

interface Guard {
  /** A copy in which no text can begin a special token. Of what the assistant said, marks of reasoning are left. */
  hide(values: Readonly<Record<string, unknown>>, role?: string): Record<string, unknown>
  /** The rendered text, in which what was hidden is plain. */
  reveal(text: string): TextPart[]
}

/** `all`: every text that is rendered; none of its characters can stand for another. */
function createGuard(specialTexts: readonly string[], all: string): Guard {
  const firsts = [...new Set(specialTexts.map((text) => text.trimStart()[0]!))]
  const taken = new Set(all)
  const standIns: string[] = []
  for (let code = 0xe000; code <= 0xf8ff && standIns.length < firsts.length; code++) {
    const character = String.fromCharCode(code)
    if (!taken.has(character)) standIns.push(character)
  }
  if (standIns.length < firsts.length) {
    throw new ArgumentError('the messages use up the characters of private use that rendering a chat needs')
  }
  const standInOf = new Map(firsts.map((character, i) => [character, standIns[i]!]))
  const characterOf = new Map(firsts.map((character, i) => [standIns[i]!, character]))

  function hideText(text: string, role: string): string {
    if (role !== 'assistant') return replaceEach(text, standInOf)
    return text
      .split(reasoningMarks)
      .map((piece, i) => (i % 2 === 1 ? piece : replaceEach(piece, standInOf)))
      .join('')
  }

  function hideIn(value: unknown, role: string): unknown {
    if (typeof value === 'string') return hideText(value, role)
    if (Array.isArray(value)) return value.map((item) => hideIn(item, role))
    return isObject(value) ? hide(value, role) : value
  }

  function hide(values: Readonly<Record<string, unknown>>, role = ''): Record<string, unknown> {
    return Object.fromEntries(
      Object.entries(values).map(([key, value]) => [replaceEach(key, standInOf), hideIn(value, role)]),
    )
  }

  return {
    hide,
    reveal(text) {
      if (standIns.length === 0) return [{ text, specialTokens: 'parse' }]
      const hidden = new RegExp(`([${standIns[0]}-${standIns.at(-1)}]+)`)
      return text.split(hidden).map((piece) => {
        const plain = replaceEach(piece, characterOf)
        return { text: plain, specialTokens: plain === piece ? 'parse' : 'plain' }
      })
    },
  }
}

function replaceEach(text: string, others: ReadonlyMap<string, string>): string {
  let replaced = ''
  for (let i = 0; i < text.length; i++) replaced += others.get(text[i]!) ?? text[i]
  return replaced
}
