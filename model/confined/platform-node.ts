// In Node a tokenizer runs in a thread, for which the caller waits as long as the limit says. Templates run in a process of
// their own: the memory limit of a thread is none, since V8 ends the whole process where one allocation passes it.

import { type ChildProcess, fork } from 'node:child_process'
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads'
import type { CodecRequest, CodecThread, Platform, Reply, TemplateRunner } from './platform.ts'
import type { RenderRequest } from './template.ts'

/** What a template may take: milliseconds, and MiB. */
const limits = { ms: 2000, megabytes: 256 }

/** Milliseconds that a machine may take to start a process, however busy it is. */
const startMs = 30_000

export const platform: Platform = {
  startCodec(setup): CodecThread {
    const answered = new Int32Array(new SharedArrayBuffer(4))
    const { port1: port, port2 } = new MessageChannel()
    // Without the flags of this process: a loader, for example, would only make it start later.
    const worker = new Worker(new URL('./codec-worker-node.js', import.meta.url), {
      workerData: { setup, answered, port: port2 },
      transferList: [port2],
      execArgv: [],
    })
    worker.unref()
    port.unref()
    worker.on('error', () => {}) // whoever waits for the answer hears of it by its absence
    const end = (): void => {
      port.close()
      void worker.terminate()
    }
    return {
      call(request: CodecRequest, limit: number): Reply<number[] | string> {
        const before = Atomics.load(answered, 0)
        port.postMessage(request)
        Atomics.wait(answered, 0, before, limit)
        const received: { message: Reply<number[] | string> } | undefined = receiveMessageOnPort(port)
        if (received) return received.message
        end()
        return { kind: 'late' }
      },
      end,
    }
  },
  createRunner,
}

/** One process, started at the first template, that renders one after the other. */
function createRunner(): TemplateRunner {
  let child: ChildProcess | undefined
  let last: Promise<unknown> = Promise.resolve()

  function end(): void {
    child?.kill('SIGKILL')
    child = undefined
  }

  async function render(request: RenderRequest): Promise<Reply<string>> {
    if (!child?.connected) child = start()
    const current = child
    hold(current)
    const reply = await answerOf(current, request)
    letGo(current)
    if (reply.kind === 'late') end()
    return reply
  }

  return {
    render(request) {
      const reply = last.then(() => render(request))
      last = reply
      return reply
    },
    end,
  }
}

function start(): ChildProcess {
  const { NODE_OPTIONS: _, ...env } = process.env
  return fork(new URL('./template-child-node.js', import.meta.url), [], {
    execArgv: [`--max-old-space-size=${limits.megabytes}`],
    env: { ...env, ELECTRON_RUN_AS_NODE: '1' }, // of no effect but in Electron, whose program is not Node
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
}

/** Never rejects: a process that ends, or does not begin, is an answer too. */
function answerOf(child: ChildProcess, request: RenderRequest): Promise<Reply<string>> {
  return new Promise((resolve) => {
    let timer = setTimeout(onExit, startMs)
    function end(reply: Reply<string>): void {
      clearTimeout(timer)
      child.off('message', onMessage).off('exit', onExit).off('error', onError)
      resolve(reply)
    }
    function onMessage(message: unknown): void {
      if (message === 'begun') {
        clearTimeout(timer)
        timer = setTimeout(onExit, limits.ms)
      } else end(message as Reply<string>) // template-child-node.ts sends nothing else
    }
    function onExit(): void {
      end({ kind: 'late' })
    }
    function onError(error: Error): void {
      end({ kind: 'failure', message: error.message })
    }
    child.on('message', onMessage).on('exit', onExit).on('error', onError)
    child.send(request)
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
