// `drafthorse chat`: talk with a model that was taught to.

import { writeFile } from 'node:fs/promises'
import { Command } from 'commander'
import { planSampling } from '../decode/sampler.ts'
import { ArgumentError } from '../engine/errors.ts'
import { putInPlace } from '../model/put-in-place-node.ts'
import { pipedLines, terminalLines } from './chat-lines.ts'
import { type Conversation, createConversation } from './conversation.ts'
import { interruptible } from './interrupt.ts'
import { addModelOptions, loadWithProgress, type ModelOptions, wholeNumber } from './model-options.ts'
import { printStream } from './print-stream.ts'
import { addSamplingOptions, readSampling, type SamplingOptions } from './sampling-options.ts'
import { paintFor } from './terminal.ts'

interface Options extends ModelOptions, SamplingOptions {
  readonly system?: string
  readonly template?: string
  readonly maxNewTokens: number
  readonly stats?: true
}

const commands = `/reset       forget what was said, but for the system's message
/save FILE   write the conversation as JSON
/help        this list
/exit        end the chat, as Ctrl-D does
Ctrl-C stops an answer, or ends the chat at an empty prompt. A message that begins with / is written with two.`

export function chatCommand(): Command {
  return addSamplingOptions(addModelOptions(new Command('chat')))
    .description('talk with a model that has a chat template; messages are read line by line')
    .option('--system <text>', 'what the model is told before the conversation')
    .option('--template <name>', "which of the model's chat templates", 'default')
    .option('--max-new-tokens <n>', 'tokens of an answer at most', wholeNumber(1), 500)
    .option('--stats', 'after each answer all its figures: what drafting brought, where the time went, a histogram')
    .addHelpText(
      'after',
      `
In the chat:
${commands.replace(/^/gm, '  ')}

Examples:
  $ drafthorse chat --model ./SmolLM2-135M-Instruct
  $ drafthorse chat --model ./smollm2.gguf --system "Answer in one sentence."
  $ drafthorse chat --model ./smollm2.gguf --temperature 0.7 --top-p 0.9 --repetition-penalty 1.1
  $ drafthorse chat --model ./smollm2.gguf --draft lookup --stats
  $ printf 'Why is the sky blue?\\n/save chat.json\\n' | drafthorse chat --model ./smollm2.gguf`,
    )
    .action(async (options: Options) => {
      process.exitCode = await run(options)
    })
}

async function run(options: Options): Promise<number> {
  await using model = await interruptible((signal) => loadWithProgress(options, signal))
  const { system, template, maxNewTokens } = options
  const settings = { ...(await readSampling(options, model)), maxNewTokens }
  planSampling(settings, model.config.vocabSize) // what is out of range ends the chat before it begins
  const conversation = createConversation(model, { system, template, settings })
  const { stdin: input, stdout: output } = process
  const note = paintFor(process.stderr).dim
  const stats = options.stats === true
  let failed = false
  if (input.isTTY) process.stderr.write(`${note(`${model.name}. /help lists what else can be typed.`)}\n`)
  for await (const line of input.isTTY ? terminalLines({ input, output, prompt: '> ' }) : pipedLines(input)) {
    try {
      if ((await obey(line, conversation, { stats })) === 'end') break
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error
      process.stderr.write(`error: ${error.message}\n`)
      failed = !input.isTTY
    }
  }
  return failed ? 1 : 0
}

/** Does what a line says: a command, or a message to the model. */
async function obey(
  line: string,
  conversation: Conversation,
  { stats }: { readonly stats: boolean },
): Promise<'end' | undefined> {
  const text = line.trim()
  if (text === '') return undefined
  if (!text.startsWith('/') || text.startsWith('//')) {
    await answer(text.replace(/^\/\//, '/'), conversation, { stats })
    return undefined
  }
  const [command, rest = ''] = text.split(/\s+(.*)/s)
  switch (command) {
    case '/exit':
      return 'end'
    case '/help':
      process.stderr.write(`${commands}\n`)
      return undefined
    case '/reset':
      conversation.reset()
      return undefined
    case '/save':
      await save(rest, conversation)
      return undefined
    default:
      throw new ArgumentError(`there is no command ${command}; /help lists them, and // begins a message with /`)
  }
}

async function answer(text: string, conversation: Conversation, { stats }: { readonly stats: boolean }): Promise<void> {
  const show = (stream: Parameters<typeof printStream>[0]) => printStream(stream, { hasText: true, stats })
  const { finishReason } = await interruptible((signal) => conversation.say(text, { signal, show }))
  if (finishReason === 'context') {
    process.stderr.write("The model's context is full: /reset begins anew.\n")
  }
}

/** The file is there as a whole, or not at all. */
async function save(file: string, conversation: Conversation): Promise<void> {
  if (file === '') throw new ArgumentError('give /save the name of a file, like: /save chat.json')
  const text = `${JSON.stringify(conversation.transcript(), undefined, 2)}\n`
  try {
    await putInPlace(file, (temporary) => writeFile(temporary, text))
  } catch (cause) {
    throw new ArgumentError(`cannot write ${file}: ${cause instanceof Error ? cause.message : cause}`, { cause })
  }
  process.stderr.write(`${conversation.messages.length} messages are in ${file}\n`)
}
