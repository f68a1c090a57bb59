// Runs kernels: records the calls, and later makes each of them in its turn, with every argument where the mode wants it.

import { BackendUnavailableError } from '../errors.ts'
import type { DeviceRows, Gpu, GpuKernel, HostRows } from './gpu.ts'
import { type KernelName, kernelNames, kernels } from './kernels/index.ts'
import { discard, drop, hold, isHost, newValue, rowsOf, type Value } from './value.ts'

/**
 * Where a mode has its numbers. `host`: in JavaScript's memory, where kernels read them in place. `copied`: there too, but each
 * call copies its arguments into the kernel's own memory, and only constants stay there. `device`: in textures or buffers.
 */
export type Residence = 'host' | 'copied' | 'device'

/** A call to be made. Its arguments are those of the kernel, a table as the last of the rows. */
export interface Call {
  readonly constants?: Readonly<Record<string, number>>
  readonly width: number
  readonly rows: number
  readonly args: readonly (Value | number)[]
  /** A weight, which takes its place as the last argument, or as a constant where only these stay. */
  readonly table?: Value
}

export interface Device {
  /** Records a call. The value is the caller's, and is computed in {@link run} unless nobody holds it any more. */
  record(name: KernelName, call: Call): Value
  /** Makes the calls that were recorded. */
  run(): Promise<void>
  /** Makes a kernel and runs it at once. Throws {@link BackendUnavailableError} where it does not run in its mode. */
  tryOut(): Promise<GpuKernel>
  /** Kernels run, and bytes of arrays copied from JavaScript's memory, since it was made. */
  readonly counts: { operations: number; uploaded: number }
}

/** Rows that a loop may run over, at most. */
const longestLoop = 2 ** 20

interface Step {
  readonly name: KernelName
  readonly call: Call
  readonly out: Value
}

/** `mode` is what the kernels' class calls itself. */
export function createDevice(gpu: Gpu, { mode, residence }: { mode: string; residence: Residence }): Device {
  const made = new Map<string, GpuKernel>()
  const counts = { operations: 0, uploaded: 0 }
  let steps: Step[] = []

  /**
   * GPU.js reads the text of a kernel, which a minifier makes another one of. Names tell: bundlers that do not minify put a
   * number behind one at most, where it is taken.
   */
  function expectText(name: KernelName): void {
    if (/^function (\w+?)[$_\d]*\(/.exec(String(kernels[name]))?.[1] === name) return
    throw new BackendUnavailableError(
      `the text of the kernel ${name} was changed by a minifier or bundler, and GPU.js cannot read it any more: keep ` +
        'engine/gpujs/kernels as it is (docs/backends.md says how)',
    )
  }

  function create(name: KernelName, constants: Readonly<Record<string, number | HostRows>>): GpuKernel {
    return gpu.createKernel(kernels[name], {
      constants,
      precision: 'single',
      pipeline: true,
      immutable: true,
      dynamicOutput: true,
      dynamicArguments: true,
      loopMaxIterations: longestLoop,
      // GPU.js would have WebGL count in 16 bits.
      tactic: 'precision',
      // Four numbers to a texel, and textures nearly square: one row of many numbers would be wider than textures can be.
      optimizeFloatMemory: mode === 'gpu',
    })
  }

  function kernelOf(name: KernelName, constants: Readonly<Record<string, number>>): GpuKernel {
    const key = `${name} ${Object.values(constants).join()}`
    const known = made.get(key)
    if (known) return known
    const kernel = create(name, constants)
    made.set(key, kernel)
    return kernel
  }

  /** The kernel that has this table among its constants. */
  function kernelWith(table: Value, name: KernelName, constants: Readonly<Record<string, number>>): GpuKernel {
    const known = table.kernels.get(name)
    if (known) return known
    const kernel = create(name, { ...constants, table: hostRows(table) })
    counts.uploaded += bytesOf(table)
    table.kernels.set(name, kernel)
    return kernel
  }

  /** Calls a kernel, and sees that it was not replaced by one of another mode. */
  async function call(
    kernel: GpuKernel,
    { width, rows, args }: { width: number; rows: number; args: readonly (HostRows | DeviceRows | number)[] },
  ): Promise<HostRows | DeviceRows> {
    const result = await kernel.setOutput([width, rows])(...args)
    const ran = kernel.kernel.constructor.mode
    if (ran !== mode) {
      throw new BackendUnavailableError(
        `GPU.js was asked for its mode ${mode} and took ${ran} (${kernel.kernel.fallbackReason ?? 'it gives no reason'})`,
      )
    }
    counts.operations++
    return result
  }

  async function argument(value: Value | number): Promise<HostRows | DeviceRows | number> {
    if (typeof value === 'number') return value
    const { data, width, rows } = value
    if (!data) throw new Error('its contents were lost when an earlier kernel failed')
    if (residence !== 'host' && isHost(data)) counts.uploaded += bytesOf(value)
    if (residence !== 'device' || !isHost(data)) return data
    value.data = await call(kernelOf('keep', {}), { width, rows, args: [data] })
    return value.data
  }

  async function execute({ name, call: wanted, out }: Step): Promise<HostRows | DeviceRows> {
    const { width, rows, args, table, constants = {} } = wanted
    if (width * rows === 0) return []
    if (table && residence === 'copied') return rowByRow(kernelWith(table, constantName(name), constants), wanted)
    const all = table ? [...args, table] : args
    const given: (HostRows | DeviceRows | number)[] = []
    for (const arg of all) given.push(await argument(arg))
    return call(kernelOf(name, constants), { width: out.width, rows: out.rows, args: given })
  }

  /** With one row at a time the program has one size, of which there is one copy of its constants. */
  async function rowByRow(kernel: GpuKernel, { width, args }: Call): Promise<HostRows> {
    const [x] = args as readonly [Value] // as calls with a table have it
    const results: Float32Array[] = []
    counts.uploaded += bytesOf(x)
    for (const row of hostRows(x)) {
      const [result] = (await call(kernel, { width, rows: 1, args: [[row]] })) as HostRows // of a mode without a device
      results.push(result!)
    }
    return results
  }

  return {
    counts,
    record(name, wanted) {
      for (const arg of wanted.args) if (typeof arg !== 'number') hold(arg)
      if (wanted.table) hold(wanted.table)
      const out = newValue(wanted)
      steps.push({ name, call: wanted, out: hold(out) })
      return out
    },
    async run() {
      const due = steps
      steps = []
      try {
        for (const step of due) {
          // Whoever wanted it may have gone.
          if (step.out.users > 1) step.out.data = await execute(step)
          release(step)
        }
      } finally {
        for (const step of due) release(step)
      }
    },
    async tryOut() {
      for (const name of kernelNames) expectText(name)
      const kernel = kernelOf('keep', {})
      discard(await call(kernel, { width: 1, rows: 1, args: [rowsOf(Float32Array.of(1), 1)] }))
      return kernel
    },
  }
}

const released = new WeakSet<Step>()

function release(step: Step): void {
  if (released.has(step)) return
  released.add(step)
  for (const arg of step.call.args) if (typeof arg !== 'number') drop(arg)
  if (step.call.table) drop(step.call.table)
  drop(step.out)
}

function bytesOf({ width, rows }: Value): number {
  return width * rows * Float32Array.BYTES_PER_ELEMENT
}

function hostRows({ data }: Value): HostRows {
  if (data && isHost(data)) return data
  throw new Error('a mode without a device has no data elsewhere')
}

function constantName(name: KernelName): KernelName {
  return name === 'embed' ? 'embedConstant' : 'linearConstant'
}
