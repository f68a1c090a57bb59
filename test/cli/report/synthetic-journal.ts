// Journals of searches that never were, of a model in which what a set costs and how far its drafts hold is a formula.

import { seeded } from '../../../decode/seeded.ts'
import type { Spread } from '../../../decode/timing.ts'
import { type JournalHeader, type JournalRecord, journalLine } from '../../../search/journal.ts'

export interface SyntheticOptions {
  readonly layers?: number
  readonly strategies?: readonly string[]
  readonly seeds?: number
  readonly evaluations?: number
  /** Of the fastest sets. */
  readonly confirmed?: number
  /** What verification costs a row more; where it is much, plain decoding is fastest. */
  readonly rowCost?: number
  readonly header?: Partial<JournalHeader>
}

export interface Synthetic {
  readonly header: JournalHeader
  readonly records: readonly JournalRecord[]
  /** As the file has it. */
  readonly text: string
}

const longest = 8

export function syntheticJournal({
  layers = 12,
  strategies = ['bayesian'],
  seeds = 1,
  evaluations = 60,
  confirmed = 3,
  rowCost = 0.02,
  header: over = {},
}: SyntheticOptions = {}): Synthetic {
  const sublayers = 2 * layers
  const costs = Array.from({ length: sublayers }, (_, i) => (0.9 / sublayers) * (i % 2 === 0 ? 0.7 : 1.3))
  const verify = Array.from({ length: longest + 1 }, (_, m) => 1 + rowCost * m)
  const header: JournalHeader = {
    format: 'drafthorse/search@1',
    model: 'synthetic',
    modelId: '0123456789abcdef'.repeat(4),
    backend: 'wasm',
    dtype: 'q8_0',
    threads: 2,
    sublayers,
    objective: 'fedcba9876543210'.repeat(4),
    costs,
    around: 0.1,
    verify,
    draftLengths: longest,
    prompts: { count: 8, tokens: 512 },
    version: '0.1.0',
    date: '2026-01-02T03:04:05.678Z',
    ...over,
  }
  const model = { costs, verify, hurt: hurts(sublayers) }
  const records: JournalRecord[] = []
  const found = new Map<string, number>()
  for (const [at, strategy] of strategies.entries()) {
    for (let seed = 1; seed <= seeds; seed++) {
      records.push({ kind: 'begin', strategy, seed, budget: { evaluations } })
      const random = seeded(1000 * at + seed)
      const asked = new Set<string>()
      let best = { key: '0'.repeat(sublayers), speedup: 1 }
      for (let n = 0; n < evaluations; n++) {
        let key = propose(n, { sublayers, best: best.key, boldness: at / strategies.length, random })
        while (asked.has(key)) key = flip(key, random.below(sublayers))
        asked.add(key)
        const worth = worthOf(key, model)
        records.push({ kind: 'point', strategy, seed, n, key, ...worth, ms: found.has(key) ? 0 : 40 + n })
        found.set(key, worth.speedup)
        if (worth.speedup > best.speedup) best = { key, speedup: worth.speedup }
      }
      records.push({ kind: 'end', strategy, seed, best: best.key, reason: 'budget' })
    }
  }
  const fastest = [...found].filter(([, speedup]) => speedup > 1).sort(([, a], [, b]) => b - a)
  for (const [i, [key, predicted]] of fastest.slice(0, confirmed).entries()) {
    const measured = predicted * (0.96 - 0.015 * i)
    const { draftLength } = worthOf(key, model)
    const speedup = around(measured, 0.03)
    records.push({
      kind: 'confirmed',
      key,
      draftLength,
      plain: around(80, 0.02),
      drafted: around(80 * measured, 0.02),
      speedup,
      predicted,
      identical: true,
    })
  }
  const text = [header, ...records].map(journalLine).join('')
  return { header, records, text }
}

function around(median: number, share: number): Spread {
  return { median, low: median * (1 - share), high: median * (1 + share), count: 9 }
}

/** How much the loss of a sublayer lowers what is accepted: some much, the others most at both ends of the model. */
function hurts(sublayers: number): number[] {
  const needed = new Set(
    seeded(7, 'needed')
      .shuffled(Array.from({ length: sublayers }, (_, i) => i))
      .slice(0, sublayers / 3),
  )
  return Array.from({ length: sublayers }, (_, i) => {
    const off = Math.abs(i / (sublayers - 1) - 0.6) * 2
    return (1 / sublayers) * (0.05 + off ** 3 + (needed.has(i) ? 2.5 : 0))
  })
}

interface Model {
  readonly costs: readonly number[]
  readonly verify: readonly number[]
  readonly hurt: readonly number[]
}

function worthOf(
  key: string,
  { costs, verify, hurt }: Model,
): Pick<Extract<JournalRecord, { kind: 'point' }>, 'speedup' | 'drafted' | 'draftLength' | 'survival' | 'draft'> {
  const sum = (figures: readonly number[]): number =>
    figures.reduce((all, figure, i) => all + (key[i] === '1' ? figure : 0), 0)
  const draft = 1 - sum(costs)
  const acceptance = key.includes('1') ? Math.exp(-sum(hurt)) : 1
  const survival = Array.from({ length: longest }, (_, k) => acceptance ** (k + 1))
  let [drafted, length, tokens] = [0, 0, 1]
  for (let k = 1; k <= longest; k++) {
    tokens += survival[k - 1]!
    const reached = tokens / (k * draft + verify[k]!)
    if (reached > drafted) [drafted, length] = [reached, k]
  }
  const pays = drafted > 1
  return { speedup: pays ? drafted : 1, drafted, draftLength: pays ? length : 0, survival, draft }
}

function flip(key: string, at: number): string {
  return key.slice(0, at) + (key[at] === '1' ? '0' : '1') + key.slice(at + 1)
}

interface Proposing {
  readonly sublayers: number
  readonly best: string
  /** 0 goes by the best that is known, 1 by chance. */
  readonly boldness: number
  readonly random: ReturnType<typeof seeded>
}

/** First the empty set and early exits, then changes of the best or sets by chance. */
function propose(n: number, { sublayers, best, boldness, random }: Proposing): string {
  if (n === 0) return '0'.repeat(sublayers)
  if (n < 7) {
    const kept = 2 * Math.round((sublayers / 2) * (1 - n / 8))
    return '0'.repeat(kept) + '1'.repeat(sublayers - kept)
  }
  if (random.below(1000) < 1000 * boldness) return [...best].map(() => (random.below(100) < 45 ? '1' : '0')).join('')
  const changes = 1 + random.below(3)
  return Array.from({ length: changes }).reduce<string>((key) => flip(key, random.below(sublayers)), best)
}
