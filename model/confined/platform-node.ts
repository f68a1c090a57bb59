// In Node a tokenizer that takes too long is stopped in place. Templates run in a process of their own: they may take memory
// too, and the memory limit of a thread is none, since V8 ends the whole process where one allocation passes it.

import { type ChildProcess, fork } from 'node:child_process'
import type { Platform, TemplateRunner } from './platform.ts'
import type { RenderRequest, Reply } from './template.ts'
import { within } from './within-node.ts'

/** MiB that a template may take. */
const megabytes = 256

/** Milliseconds after which even the process that stops templates is given up; it may have to start on a busy machine. */
const lastMs = 30_000

export const platform: Platform = { within, createRunner }

/** One process, started at the first template, that renders one after the other. */
function createRunner(): TemplateRunner {
  let child: ChildProcess | undefined
  let last: Promise<unknown> = Promise.resolve()
  let ends = 0

  function stop(): void {
    child?.kill('SIGKILL')
    child = undefined
  }

  async function render(request: RenderRequest): Promise<Reply> {
    if (!child || hasEnded(child)) child = start()
    const current = child
    hold(current)
    const reply = await answerOf(current, request)
    letGo(current)
    if (reply.kind === 'late') stop()
    return reply
  }

  return {
    render(request) {
      const before = ends
      const inTurn = async (): Promise<Reply> => {
        await last
        if (ends !== before) return { kind: 'ended' }
        const reply = await render(request)
        return ends !== before && reply.kind !== 'done' ? { kind: 'ended' } : reply
      }
      const reply = inTurn()
      last = reply
      return reply
    },
    end() {
      ends++
      stop()
    },
  }
}

/** It may be connected for a moment longer than it lives. */
function hasEnded({ connected, exitCode, signalCode }: ChildProcess): boolean {
  return !connected || exitCode !== null || signalCode !== null
}

function start(): ChildProcess {
  const { NODE_OPTIONS: _, ...env } = process.env
  return fork(new URL('./template-child-node.js', import.meta.url), [], {
    execArgv: [`--max-old-space-size=${megabytes}`],
    env: { ...env, ELECTRON_RUN_AS_NODE: '1' }, // of no effect but in Electron, whose program is not Node
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
}

/** Never rejects: a process that ends, or does not begin, is an answer too. */
function answerOf(child: ChildProcess, request: RenderRequest): Promise<Reply> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => end({ kind: 'late' }), lastMs)
    function end(reply: Reply): void {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit).off('error', onError)
      resolve(reply)
    }
    function onMessage(message: unknown): void {
      end(message as Reply) // template-child-node.ts sends nothing else
    }
    function onExit(code: number | null): void {
      const failure = { kind: 'failure', message: 'the process that renders templates could not start' } as const
      end(code === 1 ? failure : { kind: 'late' }) // V8 out of memory ends by a signal, or another code
    }
    function onError(error: Error): void {
      end({ kind: 'failure', message: error.message })
    }
    child.on('message', onMessage).on('exit', onExit).on('error', onError)
    child.send(request, (error) => error && onError(error)) // without this, an error after its exit would be nobody's
  })
}

/** While held, the child keeps this process alive. */
function hold(child: ChildProcess): void {
  child.ref()
  child.channel?.ref()
}

function letGo(child: ChildProcess): void {
  child.unref()
  child.channel?.unref()
}
