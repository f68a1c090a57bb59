// A codec in a thread of Node: answers one request after the other, while the thread that asked waits.

import { type MessagePort, workerData } from 'node:worker_threads'
import { type CodecSetup, createCodec } from '../codec.ts'
import type { CodecRequest, Reply } from './platform.ts'

const { setup, answered, port } = workerData as { setup: CodecSetup; answered: Int32Array; port: MessagePort } // platform-node.ts made it

let codec: ReturnType<typeof createCodec> | undefined

function answer(request: CodecRequest): Reply<number[] | string> {
  try {
    codec ??= createCodec(setup)
    switch (request.kind) {
      case 'open':
        return { kind: 'done', value: '' }
      case 'encode':
        return { kind: 'done', value: codec.encode(request.text, request.addSpecialTokens) }
      case 'decode':
        return { kind: 'done', value: codec.decode(request.ids) }
    }
  } catch (error) {
    return { kind: 'failure', message: error instanceof Error ? error.message : String(error) }
  }
}

port.on('message', (request: CodecRequest) => {
  port.postMessage(answer(request))
  Atomics.add(answered, 0, 1)
  Atomics.notify(answered, 0)
})
