// `--stats`: the tables say what the statistics hold, for any draft and for none.
import assert from 'node:assert/strict'
import { statsReport } from '../../cli/stats-report.ts'
import type { GenerationResult } from '../../decode/events.ts'
import type { GenerationStats } from '../../decode/stats.ts'

const stats: GenerationStats = {
  draft: 'cascade',
  draftLength: 'cost-model',
  skip: { attention: [3, 4, 5], mlp: [7] },
  seed: 42,
  promptTokens: 9,
  reusedTokens: 4,
  newTokens: 30,
  rounds: 12,
  prefillPasses: 1,
  draftPasses: 20,
  sublayersRun: 1000,
  draftedTokens: 40,
  acceptedTokens: 18,
  acceptanceRate: 0.45,
  acceptedByRound: [5, 3, 2, 1, 1],
  milliseconds: { prefill: 20, draft: 30, verify: 40, sample: 5, decode: 80 },
  tokensPerSecond: 375,
  drafts: { lookup: { rounds: 4, drafted: 25, accepted: 10 }, skip: { rounds: 5, drafted: 15, accepted: 8 } },
  speedup: { predicted: 1.234, measured: 1.1 },
}

function report(change: Partial<GenerationStats> = {}): string {
  const result: GenerationResult = { tokens: [], text: '', finishReason: 'length', stats: { ...stats, ...change } }
  return statsReport(result, { columns: 60, blocks: false })
}

describe('the report of --stats', () => {
  it('says how decoding went, by which draft, where the time went, and how much was accepted in a round', () => {
    assert.equal(
      report(),
      `generation         30 tokens (length)
-----------------  --------------------------------------------------
prompt             9 tokens, 4 of them cached
seed               42
draft              cascade
draft length       cost-model
skipped in drafts  attention 3-5, MLP 7
rounds             12, a pass of the full model each
tokens a pass      2.50
draft passes       20
drafted            40 tokens
accepted           18 tokens, 45.0 %
speed              375.0 tokens/s
speed-up           1.10 measured, 1.23 predicted, over plain decoding

rounds drafted by  rounds  drafted  accepted    rate
-----------------  ------  -------  --------  ------
lookup                  4       25        10  40.0 %
skip                    5       15         8  53.3 %
nobody                  3        -         -       -

time                 ms   share  ms a round
-----------------  ----  ------  ----------
prefill            20.0  20.0 %
decoding           80.0  80.0 %        6.67
  drafting         30.0  30.0 %        2.50
  verifying        40.0  40.0 %        3.33
  the rest         10.0  10.0 %        0.83
sampling, in both   5.0   5.0 %        0.42

accepted  rounds  share
--------  ------  -----  ----------------------------------
       0       5   42 %  ##################################
       1       3   25 %  ####################
       2       2   17 %  ##############
       3       1    8 %  #######
       4       1    8 %  #######`,
    )
  })

  it('says nothing of drafts where nobody drafts', () => {
    const plain = report({
      draft: 'none',
      draftLength: undefined,
      skip: undefined,
      seed: undefined,
      reusedTokens: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
      acceptanceRate: undefined,
      acceptedByRound: [12],
      drafts: {},
      speedup: {},
    })
    assert.doesNotMatch(plain, /draft(ed|ing| length| passes)|seed|speed-up|accepted|cached/)
    assert.match(plain, /^draft +none$/m)
  })

  it('has a figure for every part of a generation that did nothing, and none that is not a number', () => {
    const nothing = report({
      newTokens: 0,
      rounds: 0,
      draftedTokens: 0,
      acceptedTokens: 0,
      acceptanceRate: undefined,
      acceptedByRound: [],
      milliseconds: { prefill: 0, draft: 0, verify: 0, sample: 0, decode: 0 },
      tokensPerSecond: undefined,
      drafts: { skip: { rounds: 0, drafted: 0, accepted: 0 } },
      speedup: {},
    })
    assert.doesNotMatch(nothing, /NaN|Infinity|undefined/)
    assert.match(nothing, /^skip +0 +0 +0 +-$/m)
  })

  it('says the speed-up that is known, be it measured or predicted', () => {
    assert.match(report({ speedup: { predicted: 2 } }), /^speed-up +2\.00 predicted, over plain decoding$/m)
    assert.match(report({ speedup: { measured: 2 } }), /^speed-up +2\.00 measured, over plain decoding$/m)
    assert.doesNotMatch(report({ speedup: {} }), /speed-up/)
  })
})
