// `drafthorse pull`: a model from the Hugging Face hub into its cache, from where every command loads it by name.

import { Command } from 'commander'
import { formatBytes } from '../model/hub/bytes.ts'
import { type Pulled, pull } from '../model/hub/pull-node.ts'
import { byteMeter } from './byte-meter.ts'
import { interruptible } from './interrupt.ts'
import { printable } from './terminal.ts'

interface Options {
  readonly revision?: string
  readonly json?: true
}

const help = `
Brings what loading needs (config, tokenizer, templates, skip set, weights), or with :FILE that one file and the small ones
beside it. What is there is not asked for again; after Ctrl-C the same command goes on where it was.

The cache is that of huggingface_hub (HF_HUB_CACHE, HF_HOME). Private and gated repositories need a token: HF_TOKEN, or
the file that "hf auth login" writes. HF_ENDPOINT names another server. Needs the package @huggingface/hub.

Examples:
  $ drafthorse pull HuggingFaceTB/SmolLM2-135M-Instruct
  $ drafthorse generate "Once upon a time" --model HuggingFaceTB/SmolLM2-135M-Instruct
  $ drafthorse pull bartowski/SmolLM2-360M-Instruct-GGUF:SmolLM2-360M-Instruct-Q4_0.gguf
  $ drafthorse pull HuggingFaceTB/SmolLM2-135M --revision main --json`

export function pullCommand(): Command {
  return new Command('pull')
    .description('bring a model from the Hugging Face hub, to be loaded by its name')
    .argument('<model>', 'OWNER/NAME, or OWNER/NAME:FILE')
    .option('--revision <name>', 'a branch, tag or commit; what is not main loads by path (default: main)')
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', help)
    .action((model: string, options: Options) => interruptible((signal) => run(model, options, signal)))
}

async function run(model: string, { revision, json }: Options, signal: AbortSignal): Promise<void> {
  const { stderr } = process
  const wipe = stderr.isTTY ? '\r\u001b[K' : ''
  const meter = byteMeter(() => performance.now())
  let pulled: Pulled
  try {
    pulled = await pull(model, {
      revision,
      signal,
      onProgress(progress) {
        if (!stderr.isTTY) return
        const line = meter(progress, stderr.columns || 80)
        if (line !== undefined) stderr.write(wipe + line)
      },
      onWait({ reason, seconds }) {
        stderr.write(`${wipe}${printable(reason)}; trying again in ${seconds} s\n`)
      },
    })
  } finally {
    stderr.write(wipe)
  }
  const report = { format: 'drafthorse/pull@1', ...pulled }
  process.stdout.write(json ? `${JSON.stringify(report)}\n` : describe(pulled))
}

function describe({ model, repository, revision, commit, folder, files }: Pulled): string {
  const bytes = (list: Pulled['files']): string => formatBytes(list.reduce((sum, { size }) => sum + size, 0))
  const came = files.filter(({ cached }) => !cached)
  const news = came.length === 0 ? 'all there before' : `${came.length} of them (${bytes(came)}) new`
  const quoted = /^[\w./:@+=,\\-]+$/.test(model) ? model : `'${model}'`
  return [
    `${repository} at ${revision} (commit ${commit.slice(0, 8)}): ${files.length} files (${bytes(files)}), ${news}`,
    folder,
    '',
    `$ drafthorse generate "Once upon a time" --model ${quoted}`,
    '',
  ].join('\n')
}
