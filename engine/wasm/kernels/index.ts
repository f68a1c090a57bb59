// The entry of the kernels: all threads walk the same list of commands and do shares of them.

import { Attention, attention } from './attention'
import { end, finishShare, noShare, stage, takeShare } from './control'
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
  /** Not 0: it needs what commands before it have written, so a stage begins with it. */
  waits: u32
}

/** Does shares of the list's stages until it has ended. Returns whether the caller did the last. */
export function walk(shares: u32): bool {
  let share = takeShare(shares)
  while (share != noShare) {
    const next = runStage(stage(), share, shares)
    if (finishShare(shares, next)) return true
    share = takeShare(shares)
  }
  return false
}

/** Runs a share of the commands from `at` up to the next that waits for them, and gives the place of that. */
function runStage(at: usize, share: u32, shares: u32): usize {
  const last = end()
  do {
    const command = changetype<Command>(at)
    run(command.op, at + offsetof<Command>(), share, shares)
    at += command.bytes
  } while (at < last && !changetype<Command>(at).waits)
  return at
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
