// `drafthorse info`: what runs on this machine, and what a model is.

import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Command } from 'commander'
import type { Capabilities } from '../engine/backend.ts'
import { BackendUnavailableError } from '../engine/errors.ts'
import { type BackendListing, defaultBackend, listBackends, openBackend } from '../engine/open.ts'
import { openCheckpoint } from '../model/load/checkpoint.ts'
import { summarize, unaskedDType } from '../model/weights.ts'
import { describeSkip } from './summary.ts'
import { formatTable } from './table.ts'

export const version: string = readVersion()

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'))
  if (typeof manifest === 'object' && manifest && 'version' in manifest) return String(manifest.version)
  throw new Error('package.json has no version')
}

export function infoCommand(): Command {
  return new Command('info')
    .description('say what runs on this machine and why not, and what a model is')
    .argument('[model]', '"stories" (embedded), the path of a model, or OWNER/NAME of one that was pulled', 'stories')
    .option('--json', 'one JSON object on standard output')
    .addHelpText('after', '\nExamples:\n  $ drafthorse info\n  $ drafthorse info ./my-llama --json')
    .action(async (source: string, { json }: { json?: true }) => {
      const report = { format: 'drafthorse/info@1', ...here(), backends: await backends(), model: await model(source) }
      process.stdout.write(json ? `${JSON.stringify(report)}\n` : describe(report))
    })
}

function here() {
  return {
    version,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
  }
}

type OpenedListing = BackendListing & { readonly capabilities?: Capabilities }

/** One after the other: backends on TensorFlow.js share it, and it has one that is active. */
async function backends(): Promise<OpenedListing[]> {
  const report: OpenedListing[] = []
  for (const listing of await listBackends()) report.push(listing.available ? await opened(listing) : listing)
  return report
}

/** What a backend can do, or why it does not open although its packages are there. */
async function opened(listing: BackendListing): Promise<OpenedListing> {
  try {
    const backend = await openBackend(listing.name)
    const { capabilities } = backend
    await backend.dispose()
    return { ...listing, capabilities }
  } catch (error) {
    if (!(error instanceof BackendUnavailableError)) throw error
    return { name: listing.name, available: false, reason: error.message }
  }
}

async function model(source: string) {
  const checkpoint = await openCheckpoint(source)
  const backend = await openBackend(defaultBackend, { threads: 1 })
  try {
    const { name, id, format, config, tensors, tokenizer, skip, skipProblem } = checkpoint
    const summary = summarize(tensors, config, { backend, dtype: unaskedDType(checkpoint, backend) })
    const drafts = skipProblem ? { skipProblem: skipProblem.message } : { skip }
    return { name, id, format, ...summary, config, hasTokenizer: tokenizer !== undefined, ...drafts }
  } finally {
    await backend.dispose()
    await checkpoint.close()
  }
}

type Report = ReturnType<typeof here> & {
  backends: Awaited<ReturnType<typeof backends>>
  model: Awaited<ReturnType<typeof model>>
}

function describe({ version, node, platform, cores, backends, model }: Report): string {
  const { config, skip, skipProblem } = model
  const types = (counts: Partial<Record<string, number>>): string => Object.keys(counts).join(', ')
  const window = config.slidingWindow === undefined ? '' : `, of which attention sees the last ${config.slidingWindow}`
  const facts = [
    ['format', model.format],
    ['id', model.id ?? 'none'],
    ['family', config.modelType],
    ['parameters', `${(model.parameters / 1e6).toFixed(1)} million`],
    ['weights', `stored as ${types(model.stored)}; run as ${types(model.running)} on ${defaultBackend}`],
    ['layers', `${config.numHiddenLayers}, so ${2 * config.numHiddenLayers} sublayers`],
    ['hidden, MLP', `${config.hiddenSize}, ${config.intermediateSize}`],
    ['heads', `${config.numAttentionHeads} of ${config.headDim}, ${config.numKeyValueHeads} for keys and values`],
    ['vocabulary', `${config.vocabSize}${model.hasTokenizer ? '' : ', without a tokenizer'}`],
    ['context', `${config.maxPositionEmbeddings} tokens${window}`],
    ['rope', `theta ${config.ropeTheta}, scaling ${config.ropeScaling.type}`],
    ['skipped in drafts', skipProblem ?? (skip ? describeSkip(skip) : 'no skip set was found')],
  ]
  const columns = [{ title: 'backend' }, { title: 'runs here' }, { title: 'weights' }, { title: 'on' }]
  const rows = backends.map((backend) =>
    backend.capabilities
      ? [backend.name, 'yes', backend.capabilities.dtypes.join(', '), backend.capabilities.device]
      : [backend.name, 'no', '', backend.reason ?? ''],
  )
  const title = `drafthorse ${version}, Node ${node}, ${platform}, ${cores} cores`
  const about = formatTable([{ title: 'model' }, { title: model.name }], facts)
  return `${title}\n\n${formatTable(columns, rows)}\n\n${about}\n`
}
