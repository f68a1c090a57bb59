// The entry of the kernels: every thread walks the same list of commands and does its share of each.

import { Attention, attention } from './attention'
import { barrier, end, list } from './control'
import { CopyRows, copyRows } from './copy-rows'
import { Embed, embed } from './embed'
import { CopyKV, copyKV, StoreKV, storeKV } from './kv-cache'
import { Multiply, multiply, ReadAll, readAll } from './limits'
import { Linear, linear } from './linear'
import { RmsNorm, rmsNorm } from './rms-norm'
import { Rope, rope } from './rope'
import { Select, selectInBlocks, selectInRows } from './select'
import { Swiglu, swiglu } from './swiglu'

/** The head of every command. */
@unmanaged
class Command {
  /** Which op: its place in `opcodes` of `engine/wasm/commands.ts`. */
  op: u32
  /** Of the whole command. */
  bytes: u32
  /** Not 0: it needs what commands before it have written, since the last barrier. */
  waits: u32
}

/** Runs the commands of the list as thread `thread` of `threads`, and returns when all threads have. */
export function walk(thread: u32, threads: u32): void {
  const last = end()
  for (let at = list(); at < last; ) {
    const command = changetype<Command>(at)
    if (command.waits) barrier(threads)
    run(command.op, at + offsetof<Command>(), thread, threads)
    at += command.bytes
  }
  barrier(threads)
}

function run(op: u32, at: usize, thread: u32, threads: u32): void {
  if (op == 0) embed(changetype<Embed>(at), thread, threads)
  else if (op == 1) rmsNorm(changetype<RmsNorm>(at), thread, threads)
  else if (op == 2) linear(changetype<Linear>(at), thread, threads)
  else if (op == 3) rope(changetype<Rope>(at), thread, threads)
  else if (op == 4) storeKV(changetype<StoreKV>(at), thread, threads)
  else if (op == 5) attention(changetype<Attention>(at), thread, threads)
  else if (op == 6) swiglu(changetype<Swiglu>(at), thread, threads)
  else if (op == 7) copyRows(changetype<CopyRows>(at), thread, threads)
  else if (op == 8) copyKV(changetype<CopyKV>(at), thread, threads)
  else if (op == 9) selectInBlocks(changetype<Select>(at), thread, threads)
  else if (op == 10) selectInRows(changetype<Select>(at), thread, threads)
  else if (op == 11) readAll(changetype<ReadAll>(at), thread, threads)
  else if (op == 12) multiply(changetype<Multiply>(at), thread)
  else unreachable()
}
