// What ops record: dispatches and copies, in their order. Nothing reaches the device before `submit`, which hands over all of
// it at once.

import { BackendCrashedError } from '../errors.ts'
import type { Gpu } from './device.ts'
import { usage } from './flags.ts'
import { createHostWords, type HostWords } from './host-words.ts'
import { mostParams } from './kernels/kernel.ts'
import type { Pipeline, Pipelines } from './pipelines.ts'
import type { Pool } from './pool.ts'

export interface Dispatch {
  readonly pipeline: Pipeline
  readonly params: readonly number[]
  /** What holds the weight that the kernel reads. */
  readonly weight?: GPUBindGroup | undefined
  readonly grid: readonly [x: number, y?: number, z?: number]
}

/** Bytes between the pool, at a word, and another buffer. */
export interface Copy {
  readonly word: number
  readonly buffer: GPUBuffer
  readonly at: number
  readonly bytes: number
  readonly to: 'pool' | 'buffer'
}

type Command =
  | ({ readonly kind: 'copy' } & Copy)
  | {
      readonly kind: 'dispatch'
      readonly pipeline: GPUComputePipeline
      readonly place: number
      readonly weight: GPUBindGroup | undefined
      readonly grid: Dispatch['grid']
    }

export interface Recorder {
  readonly words: HostWords
  /** Dispatches recorded since the beginning. */
  readonly dispatches: number
  readonly isEmpty: boolean
  dispatch(dispatch: Dispatch): void
  copy(copy: Copy): void
  /** A buffer to be destroyed after the next submission. */
  retire(buffer: GPUBuffer): void
  /** Hands over what was recorded. */
  submit(): void
}

export function createRecorder(gpu: Gpu, pipelines: Pipelines, pool: Pool): Recorder {
  const { device } = gpu
  const alignment = device.limits.minUniformBufferOffsetAlignment
  const words = createHostWords({ alignment, most: mostParams })
  const offset = new Uint32Array(1)
  let commands: Command[] = []
  let retired: GPUBuffer[] = []
  let dispatches = 0
  let wordsBuffer: GPUBuffer | undefined
  let common: { group: GPUBindGroup; pool: GPUBuffer } | undefined

  /** Writes the words, and binds them beside the pool. */
  function commonGroup(): GPUBindGroup {
    const bytes = words.length * 4
    const poolBuffer = pool.buffer()
    if (!wordsBuffer || wordsBuffer.size < bytes || gpu.lacks(wordsBuffer)) {
      if (wordsBuffer) gpu.release(wordsBuffer)
      wordsBuffer = gpu.allocate(words.all().byteLength, usage.uniform | usage.storage | usage.copyTarget)
      common = undefined
    }
    device.queue.writeBuffer(wordsBuffer, 0, words.all(), 0, words.length)
    if (common?.pool === poolBuffer) return common.group
    const group = device.createBindGroup({
      layout: pipelines.common,
      entries: [
        { binding: 0, resource: { buffer: wordsBuffer, size: mostParams * 4 } },
        { binding: 1, resource: { buffer: wordsBuffer } },
        { binding: 2, resource: { buffer: poolBuffer } },
      ],
    })
    common = { group, pool: poolBuffer }
    return group
  }

  function encode(): GPUCommandBuffer {
    const group = commands.some(({ kind }) => kind === 'dispatch') ? commonGroup() : undefined
    const poolBuffer = pool.buffer()
    const encoder = device.createCommandEncoder()
    let pass: GPUComputePassEncoder | undefined
    let pipeline: GPUComputePipeline | undefined
    let weight: GPUBindGroup | undefined
    for (const command of commands) {
      if (command.kind === 'copy') {
        pass?.end()
        pass = undefined
        const { word, buffer, at, bytes, to } = command
        if (to === 'pool') encoder.copyBufferToBuffer(buffer, at, poolBuffer, word * 4, bytes)
        else encoder.copyBufferToBuffer(poolBuffer, word * 4, buffer, at, bytes)
        continue
      }
      if (!pass) {
        pass = encoder.beginComputePass()
        pipeline = undefined
        weight = undefined
      }
      if (command.pipeline !== pipeline) {
        pipeline = command.pipeline
        pass.setPipeline(pipeline)
      }
      offset[0] = command.place
      pass.setBindGroup(0, group!, offset, 0, 1)
      if (command.weight && command.weight !== weight) {
        weight = command.weight
        pass.setBindGroup(1, weight)
      }
      pass.dispatchWorkgroups(...command.grid)
    }
    pass?.end()
    return encoder.finish()
  }

  return {
    words,
    get dispatches() {
      return dispatches
    },
    get isEmpty() {
      return commands.length === 0
    },
    dispatch({ pipeline, params, weight, grid }) {
      if (params.length !== pipeline.params) {
        throw new BackendCrashedError(
          `the kernel ${pipeline.pipeline.label} of webgpu takes ${pipeline.params} parameters, not ${params.length}`,
        )
      }
      commands.push({ kind: 'dispatch', pipeline: pipeline.pipeline, place: words.params(params), weight, grid })
      dispatches++
    },
    copy(copy) {
      commands.push({ kind: 'copy', ...copy })
    },
    retire(buffer) {
      retired.push(buffer)
    },
    submit() {
      if (commands.length > 0) gpu.watch('a submission', () => device.queue.submit([encode()]))
      commands = []
      words.clear()
      pool.submitted()
      for (const buffer of retired) gpu.release(buffer)
      retired = []
    },
  }
}
