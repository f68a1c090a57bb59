// The conformance suite as it is published: the cases of the ops, and cases of a whole model, where the ops have to work
// together. Small random models on the backend under test: against float64, and bit for bit however their rows are passed.

import type { Arena, Tensor } from '../engine/backend.ts'
import type { Case, CaseSettings } from '../engine/conformance/case.ts'
import { defaultSeed, type OpCaseOptions, opCases } from '../engine/conformance/cases.ts'
import { compare } from '../engine/conformance/compare.ts'
import { invarianceCase, type RowRun } from '../engine/conformance/invariance.ts'
import * as oracle from '../engine/conformance/oracle.ts'
import { floats, type Random, randomFor } from '../engine/conformance/random.ts'
import { makeWeight, type Weight, weightDTypes } from '../engine/conformance/weights.ts'
import { inWorkspace, type Workspace } from '../engine/conformance/workspace.ts'
import type { WeightDType } from '../engine/dtype.ts'
import { advance, createSequence, type Sequence, truncate } from './cache.ts'
import type { LlamaConfig } from './config.ts'
import { createLlama, type Llama } from './llama.ts'
import { inverseFrequencies } from './rope.ts'
import type { SkipSet } from './skip.ts'
import { assembleWeights, tensorShapes } from './weights.ts'

export * from '../engine/conformance/index.ts'

const llamaConfig: LlamaConfig = {
  modelType: 'llama',
  vocabSize: 96,
  hiddenSize: 64,
  intermediateSize: 160,
  numHiddenLayers: 3,
  numAttentionHeads: 4,
  numKeyValueHeads: 2,
  headDim: 16,
  maxPositionEmbeddings: 128,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: { type: 'default' },
  tieWordEmbeddings: false,
  attentionBias: true,
  attentionOutputBias: true,
  mlpBias: false,
  qkNorm: false,
  slidingWindow: undefined,
  bosTokenId: undefined,
  eosTokenIds: [],
  storedDType: 'f32',
}

interface Kind {
  readonly config: LlamaConfig
  readonly dtype: WeightDType
  /** What names of cases say of it, behind a comma. */
  readonly label: string
}

/** A Llama with weights of each type, and a model with what other families add to one. */
const kinds: readonly Kind[] = [
  ...weightDTypes.map((dtype) => ({ config: llamaConfig, dtype, label: '' })),
  {
    config: { ...llamaConfig, attentionOutputBias: false, qkNorm: true, slidingWindow: 12 },
    dtype: 'f32',
    label: ', with a window and norms of queries and keys',
  },
]

/** The cases of a whole model, for each weight type. */
export function modelCases(options: Pick<OpCaseOptions, 'seed'> = {}): Case[] {
  const settings: CaseSettings = { seed: options.seed ?? defaultSeed, limits: {} }
  return kinds.flatMap((kind) => [
    againstOracle(settings, kind),
    promptCutAnywhere(settings, kind),
    severalSequences(settings, kind),
    ...skipSets.map(([name, skip]) => verification(settings, kind, { name, skip })),
  ])
}

/** Every case there is. */
export function allCases(options: OpCaseOptions = {}): Case[] {
  return [...opCases(options), ...modelCases(options)]
}

/** Errors grow from sublayer to sublayer: these are the limits of an op, with two orders of magnitude on top. */
const modelLimits: Readonly<Record<WeightDType, number>> = {
  f32: 1e-8,
  bf16: 1e-8,
  q8_0: 1e-4,
  q4_0: 1e-4,
  q4_1: 1e-4,
}

const skipSets: readonly (readonly [name: string, skip: SkipSet])[] = [
  ['the last layer', { attention: [2], mlp: [2] }],
  ['a layer in the middle', { attention: [1], mlp: [1] }],
  ['every attention', { attention: [0, 1, 2], mlp: [] }],
  ['everything', { attention: [0, 1, 2], mlp: [0, 1, 2] }],
]

function againstOracle(settings: CaseSettings, kind: Kind): Case {
  const { config, dtype, label } = kind
  return {
    op: 'model',
    kind: 'accuracy',
    name: `the logits of 40 tokens are those of a float64 computation${label}`,
    dtype,
    run: (backend) =>
      inWorkspace(backend, async (space) => {
        const random = randomFor(settings.seed, `model ${dtype}`)
        const { llama, weights } = smallModel(space, random, kind)
        const ids = randomIds(random, 40)
        const { outputs } = pass(llama, space, [{ sequence: newSequence(space, llama), ids }])
        const [actual] = await backend.read(outputs)
        const limit = modelLimits[dtype]
        const { error, message } = compare(actual!, expectedLogits(config, weights, ids), {
          what: 'logits',
          shape: outputs[0]!.shape,
          limit,
        })
        return message ? { status: 'failed', message, error, limit } : { status: 'ok', error, limit }
      }),
  }
}

function promptCutAnywhere(settings: CaseSettings, kind: Kind): Case {
  const name = `a prompt in one pass has the bits of the prompt cut anywhere${kind.label}`
  return invarianceCase(settings, { op: 'model', name, dtype: kind.dtype, scope: 'passes' }, (space, random) => {
    const { llama } = smallModel(space, random, kind)
    const ids = randomIds(random, 37)
    const cuts = [[37], Array.from({ length: 37 }, () => 1), [1, 36], [36, 1], [7, 8, 9, 13], [16, 16, 5], [32, 5]]
    return cuts.flatMap((sizes) => {
      const sequence = newSequence(space, llama)
      return sizes.map((size) => {
        const start = sequence.length
        return pass(llama, space, [{ sequence, ids: ids.slice(start, start + size) }])
      })
    })
  })
}

function severalSequences(settings: CaseSettings, kind: Kind): Case {
  const name = `sequences of different lengths in one pass have the bits that each has alone${kind.label}`
  return invarianceCase(settings, { op: 'model', name, dtype: kind.dtype, scope: 'passes' }, (space, random) => {
    const { llama } = smallModel(space, random, kind)
    const texts = [3, 11, 1, 20].map((size) => randomIds(random, size))
    const fresh = () => texts.map((ids, text) => ({ sequence: newSequence(space, llama), ids, text }))
    const together = fresh()
    const halves = fresh()
    const half = (list: typeof halves, from: (size: number) => number, to: (size: number) => number) =>
      list
        .map(({ ids, ...rest }) => ({ ...rest, ids: ids.slice(from(ids.length), to(ids.length)) }))
        .filter(({ ids }) => ids.length > 0)
    const middle = (size: number) => Math.floor(size / 2)
    return [
      ...fresh().map((one) => pass(llama, space, [one])),
      pass(llama, space, together),
      pass(
        llama,
        space,
        half(halves, () => 0, middle),
      ),
      pass(llama, space, half(halves, middle, (size) => size).toReversed()),
    ]
  })
}

/** Drafting with sublayers skipped, then verifying from the first skipped one, against one token at a time. */
function verification(settings: CaseSettings, kind: Kind, { name, skip }: { name: string; skip: SkipSet }): Case {
  const what = `verifying drafts that skip ${name} has the bits of plain steps${kind.label}`
  return invarianceCase(settings, { op: 'model', name: what, dtype: kind.dtype, scope: 'passes' }, (space, random) => {
    const { llama } = smallModel(space, random, kind)
    const ids = randomIds(random, 30)
    const plain = newSequence(space, llama)
    const runs = ids.map((id) => pass(llama, space, [{ sequence: plain, ids: [id] }]))
    const first = Math.min(...skip.attention.map((layer) => 2 * layer), ...skip.mlp.map((layer) => 2 * layer + 1))
    const sequence = newSequence(space, llama)
    runs.push(pass(llama, space, [{ sequence, ids: ids.slice(0, 5) }]))
    for (const drafts of [1, 4, 7, 3, 8]) {
      const { length } = sequence
      const hidden = space.unset([drafts, kind.config.hiddenSize])
      for (let i = 0; i < drafts; i++) {
        const rows = llama.rows([{ sequence, count: 1 }], arenaOf(space))
        const prefix = llama.run(llama.embed(Int32Array.of(ids[length + i]!), rows), rows, { to: first })
        space.backend.ops.copyRows(hidden, prefix, { rows: [0], at: i })
        llama.run(prefix, rows, { from: first, skip })
        advance(sequence, 1)
      }
      truncate(sequence, length)
      const rows = llama.rows([{ sequence, count: drafts }], arenaOf(space))
      const logits = llama.head(llama.run(hidden, rows, { from: first }), rows)
      advance(sequence, drafts)
      runs.push(rowRun([{ text: 0, start: length, count: drafts }], logits))
    }
    return runs
  })
}

interface Text {
  readonly sequence: Sequence
  readonly ids: readonly number[]
  /** Which text it is, where a case has several. */
  readonly text?: number
}

/** Runs the next tokens of some sequences through the whole model. */
function pass(llama: Llama, space: Workspace, texts: readonly Text[]): RowRun {
  const rows = llama.rows(
    texts.map(({ sequence, ids }) => ({ sequence, count: ids.length })),
    arenaOf(space),
  )
  const ids = Int32Array.from(texts.flatMap((text) => text.ids))
  const logits = llama.head(llama.run(llama.embed(ids, rows), rows), rows)
  const parts = texts.map(({ sequence, ids, text = 0 }) => ({ ids, text, start: sequence.length, count: ids.length }))
  for (const { sequence, ids } of texts) advance(sequence, ids.length)
  return rowRun(parts, logits)
}

function rowRun(parts: readonly { text: number; start: number; count: number }[], logits: Tensor): RowRun {
  const rows = parts.flatMap(({ text, start, count }) =>
    Array.from({ length: count }, (_, i) => `at position ${start + i} of text ${text}`),
  )
  return { rows, where: (i) => `as row ${i} of ${rows.length}`, outputs: [logits] }
}

/** A workspace's memory as a pass wants it: freed with the workspace. */
function arenaOf(space: Workspace): Arena {
  return { tensor: space.unset, release() {} }
}

function newSequence(space: Workspace, llama: Llama): Sequence {
  return createSequence(space.backend, llama.config)
}

function randomIds(random: Random, size: number): number[] {
  return Array.from({ length: size }, () => random.below(llamaConfig.vocabSize))
}

function smallModel(
  space: Workspace,
  random: Random,
  { config, dtype }: Kind,
): { llama: Llama; weights: ReadonlyMap<string, Weight> } {
  const weights = new Map<string, Weight>()
  const tensors = new Map<string, Tensor>()
  for (const [name, shape] of tensorShapes(config)) {
    const size = shape.reduce((a, b) => a * b)
    const isMatrix = shape.length > 1
    const values = name.includes('norm')
      ? floats(random, size, 1, 'positive')
      : floats(random, size, isMatrix ? 1.6 / Math.sqrt(shape[1]!) : 0.3)
    const weight = makeWeight(values, shape, isMatrix ? dtype : 'f32')
    weights.set(name, weight)
    tensors.set(name, space.weight(weight))
  }
  return { llama: createLlama(space.backend, config, assembleWeights(tensors, config)), weights }
}

/** The whole model in float64, over one sequence: `[ids.length * vocabSize]`. */
function expectedLogits(
  config: LlamaConfig,
  weights: ReadonlyMap<string, Weight>,
  ids: readonly number[],
): Float64Array {
  const { hiddenSize, numHiddenLayers, numAttentionHeads, headDim, rmsNormEps, intermediateSize } = config
  const exact = (name: string) => weights.get(name)!.exact
  const linear = (x: Float64Array, name: string, inSize: number, residual?: Float64Array) =>
    oracle.linear(x, exact(`${name}.weight`), { in: inSize, bias: weights.get(`${name}.bias`)?.exact, residual })
  const frequencies = inverseFrequencies(config)
  const angles = ids.flatMap((_, position) => [...frequencies].map((frequency) => Math.fround(position * frequency)))
  const rotate = (x: Float64Array, norm: Weight | undefined) =>
    oracle.rope(norm ? oracle.rmsNorm(x, norm.exact, rmsNormEps) : x, {
      cos: angles.map((angle) => Math.fround(Math.cos(angle))),
      sin: angles.map((angle) => Math.fround(Math.sin(angle))),
      half: headDim / 2,
      positions: ids.map((_, position) => position),
    })
  const heads = { headSize: headDim, scale: 1 / Math.sqrt(headDim), window: config.slidingWindow }
  const queryWidth = numAttentionHeads * headDim
  let x = oracle.pickRows(exact('model.embed_tokens.weight'), ids, hiddenSize)
  for (let i = 0; i < numHiddenLayers; i++) {
    const layer = `model.layers.${i}`
    const normed = oracle.rmsNorm(x, exact(`${layer}.input_layernorm.weight`), rmsNormEps)
    const normOf = (part: string) => weights.get(`${layer}.self_attn.${part}_norm.weight`)
    const queries = rotate(linear(normed, `${layer}.self_attn.q_proj`, hiddenSize), normOf('q'))
    const keys = rotate(linear(normed, `${layer}.self_attn.k_proj`, hiddenSize), normOf('k'))
    const values = linear(normed, `${layer}.self_attn.v_proj`, hiddenSize)
    const keyWidth = keys.length / ids.length
    const attended = new Float64Array(ids.length * queryWidth)
    for (let row = 0; row < ids.length; row++) {
      const length = row + 1
      const query = queries.subarray(row * queryWidth, length * queryWidth)
      const cached = [keys, values].map((table) => table.subarray(0, length * keyWidth)) as [Float64Array, Float64Array]
      attended.set(oracle.attend(query, ...cached, { length, ...heads }), row * queryWidth)
    }
    x = linear(attended, `${layer}.self_attn.o_proj`, queryWidth, x)
    const gateInput = oracle.rmsNorm(x, exact(`${layer}.post_attention_layernorm.weight`), rmsNormEps)
    const gated = oracle.swiglu(
      linear(gateInput, `${layer}.mlp.gate_proj`, hiddenSize),
      linear(gateInput, `${layer}.mlp.up_proj`, hiddenSize),
    )
    x = linear(gated, `${layer}.mlp.down_proj`, intermediateSize, x)
  }
  return linear(oracle.rmsNorm(x, exact('model.norm.weight'), rmsNormEps), 'lm_head', hiddenSize)
}
