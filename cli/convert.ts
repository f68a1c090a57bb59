// `drafthorse convert`: a model in another format, or in another type.

import { Command, InvalidArgumentError, Option } from 'commander'
import { type ConversionDType, type ConvertOptions, conversionTypes, convertModel } from '../model/save/convert.ts'
import { interruptible } from './interrupt.ts'

interface Options extends Pick<ConvertOptions, 'format' | 'dtype' | 'force'> {
  readonly shardSize?: number
  readonly json?: true
}

export function convertCommand(): Command {
  const dtypes = [...new Set<ConversionDType>(Object.values(conversionTypes).flat())]
  return new Command('convert')
    .description('write a model in another format: safetensors, GGUF for llama.cpp, or TensorFlow.js weights')
    .argument('<source>', '"stories" (embedded), the path of a model, or OWNER/NAME of one that was pulled')
    .argument('<out>', 'the folder to write, or, with a name that ends in .gguf, the file')
    .addOption(new Option('--format <name>', 'what to write (default: by <out>)').choices(Object.keys(conversionTypes)))
    .addOption(new Option('--dtype <type>', 'the type of weights (default: what loses nothing)').choices(dtypes))
    .option('--shard-size <MB>', 'megabytes of weights in a file at most, where they are cut', megabytes)
    .option('--force', 'replace what is there')
    .option('--json', 'one JSON object on standard output')
    .addHelpText(
      'after',
      `
Types: ${Object.entries(conversionTypes)
        .map(([format, types]) => `${format} ${types.join(', ')}`)
        .join('; ')}

Examples:
  $ drafthorse convert stories stories.gguf --dtype q8_0
  $ drafthorse convert ./my-llama.gguf ./my-llama
  $ drafthorse convert ./my-llama ./web --format tfjs --dtype uint8`,
    )
    .action((source: string, out: string, options: Options) =>
      interruptible((signal) => convert(source, out, { ...options, signal })),
    )
}

function megabytes(text: string): number {
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw new InvalidArgumentError('Expected a number of megabytes above 0.')
}

async function convert(
  source: string,
  out: string,
  { shardSize, json, ...options }: Options & { signal: AbortSignal },
): Promise<void> {
  const { format: to, ...rest } = await withProgress(source, (onProgress) =>
    convertModel(source, out, {
      ...options,
      shardBytes: shardSize === undefined ? undefined : Math.ceil(shardSize * 1e6),
      onProgress,
    }),
  )
  const types = Object.entries(rest.written).map(([type, count]) => `${count} as ${type}`)
  const tokenizer = rest.hasTokenizer ? '' : ', no tokenizer'
  process.stdout.write(
    json
      ? `${JSON.stringify({ ...rest, to, format: 'drafthorse/conversion@1', source, output: out })}\n`
      : `wrote ${out} (${to}): tensors ${types.join(', ')}${tokenizer}\n`,
  )
}

/** On a terminal with a line of progress on stderr, which is wiped in the end. */
async function withProgress<R>(
  source: string,
  work: (onProgress: NonNullable<ConvertOptions['onProgress']>) => Promise<R>,
): Promise<R> {
  const shows = process.stderr.isTTY
  try {
    return await work(({ written, total }) => {
      if (shows) process.stderr.write(`\rconverting ${source}: ${Math.round((100 * written) / total)} %`)
    })
  } finally {
    if (shows) process.stderr.write('\r\u001b[K')
  }
}
