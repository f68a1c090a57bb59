// What a search shows while it runs, which sets it times, which it keeps, and what it writes over.
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadModel } from 'drafthorse'
import { candidatesOf } from '../../cli/search/candidates.ts'
import { describeInterrupted, interruptedResult } from '../../cli/search/interrupted.ts'
import { detailsOf, expectSkipFilePlace, writeSkipFile } from '../../cli/search/out.ts'
import { searchProgress } from '../../cli/search/progress.ts'
import { statusLine } from '../../cli/search/status-line.ts'
import type { Spread } from '../../decode/timing.ts'
import { parseSkipEntry } from '../../model/skip-file.ts'
import type { ConfirmedRecord, JournalRecord } from '../../search/journal.ts'
import type { SearchEvent } from '../../search/ledger.ts'
import type { Found } from '../../search/memory.ts'
import { pointOf } from '../../search/space.ts'
import { fastest, leastMedian, timedLast } from '../../search/verdict.ts'
import { folderOf } from '../checkpoints.ts'
import { fails } from '../model/load/fixtures.ts'
import { headerOver, hills } from '../search/hills.ts'

const found = (key: string, speedup: number, draftLength = 2): Found => ({
  key,
  point: pointOf(key, key.length),
  speedup,
  draftLength,
  survival: [0.75, 0.5],
  draft: 0.5,
})

describe('the progress of a search', () => {
  const event = (n: number, changes: Partial<SearchEvent> = {}): SearchEvent => {
    const best = found('0110', 1.25)
    const { key, point: _, ...evaluation } = best
    return {
      record: { kind: 'point', strategy: 'random', seed: 1, n, key, ...evaluation, ms: 5 },
      best,
      bestOfAll: best,
      budget: { evaluations: 10 },
      used: { evaluations: n + 1, seconds: 0 },
      ...changes,
    }
  }
  const of = (strategies: number, columns = 200) => {
    let ms = 0
    const line = searchProgress({ strategies, columns, blocks: false, clock: () => ms })
    return (told: SearchEvent): string => {
      ms += 30_000
      return line(told)
    }
  }

  it('is a bar, the best so far, and the time left by what an evaluation took', () => {
    const line = of(1)
    assert.equal(line(event(0)), 'random ##.................. 1 of 10, best 1.250, 2 skipped, 4:30 left')
    for (let n = 1; n < 4; n++) line(event(n))
    assert.equal(line(event(4)), 'random ##########.......... 5 of 10, best 1.250, 2 skipped, 2:30 left')
  })

  it('counts the strategies that are still to come, and the seconds of a budget of seconds', () => {
    assert.match(of(6)(event(0)), /^random \(1 of 6\) .*, 29:30 left$/)
    const seconds = { budget: { seconds: 100 }, used: { evaluations: 1, seconds: 25 } }
    assert.match(of(1)(event(0, seconds)), /^random #####\.{15} 1, .* 1:15 left$/)
  })

  it('says so where nothing beats plain decoding yet, and fits the terminal', () => {
    const bestOfAll = found('0000', 1, 0)
    assert.match(of(1)(event(0, { bestOfAll })), /best so far: plain/)
    assert.equal(of(1, 40)(event(0)).length, 39)
  })
})

describe('the status of a search', () => {
  const written = (isTTY: boolean): { show: (text: string, ms: number) => void; end: () => void; lines: string[] } => {
    const lines: string[] = []
    let now = 0
    const stream = { isTTY, columns: 20, write: (text: string) => lines.push(text) }
    const status = statusLine({ stream, clock: () => now })
    const show = (text: string, ms: number): void => {
      now = ms
      status.show(text)
    }
    return { show, end: () => status[Symbol.dispose](), lines }
  }

  it('stays in place in a terminal, no wider than that, and is wiped', () => {
    const { show, end, lines } = written(true)
    show('recording', 0)
    show('a line that is longer than the terminal', 1)
    end()
    assert.deepEqual(lines, ['\rrecording\u001b[K', '\ra line that is long\u001b[K', '\r\u001b[K'])
  })

  it('is a line of its own every half a minute where there is no terminal', () => {
    const { show, end, lines } = written(false)
    for (let second = 0; second <= 100; second++) show(`round ${second}`, 1000 * second)
    end()
    assert.deepEqual(lines, ['round 30\n', 'round 60\n', 'round 90\n'])
  })
})

describe('a search that is interrupted before it looks', () => {
  const header = headerOver(hills(4))
  const begin: JournalRecord = { kind: 'begin', strategy: 'random', seed: 1, budget: { evaluations: 9 } }
  const points = ['0000', '0011', '0110'].map((key, n): JournalRecord => {
    const { point: _, ...evaluation } = found(key, 1 + n / 8, n)
    return { kind: 'point', strategy: 'random', seed: 1, n, ...evaluation, ms: 5 }
  })

  it('says that nothing was found, or what the best of the journal is', () => {
    const nothing = { header: undefined, records: [], journal: undefined }
    assert.match(describeInterrupted(nothing), /^Interrupted before the search began: nothing was found yet\.\n$/)
    const result = JSON.parse(JSON.stringify(interruptedResult(nothing)))
    assert.deepEqual(
      [result.format, result.end, result.chosen],
      ['drafthorse/search-result@1', 'interrupted', undefined],
    )
    const something = { header, records: [begin, ...points], journal: 'a.jsonl' }
    assert.match(
      describeInterrupted(something),
      /the best of its 3 sets is 1\.250 times plain .*2 of 4 .*goes on with a\.jsonl/s,
    )
    const best = JSON.parse(JSON.stringify(interruptedResult(something)))
    assert.deepEqual([best.chosen.key, best.evaluated, best.journal], ['0110', 3, 'a.jsonl'])
    const slow = { ...something, records: [begin, points[0]!] }
    assert.match(describeInterrupted(slow), /none of its 1 sets is expected to be faster/)
  })
})

describe('the sets of a search that are timed', () => {
  const all = [found('1100', 1.5), found('0011', 1.25), found('0110', 1.125), found('0000', 1, 0)]

  it('are the best that are expected to pay, and the one that the model has', () => {
    const keys = (sets: readonly Found[]): string[] => sets.map(({ key }) => key)
    assert.deepEqual(keys(candidatesOf(all, { own: undefined, most: 2 })), ['1100', '0011'])
    assert.deepEqual(keys(candidatesOf(all, { own: undefined, most: 9 })), ['1100', '0011', '0110'])
    const own = found('0111', 1.0625)
    assert.deepEqual(keys(candidatesOf(all, { own, most: 1 })), ['1100', '0111'])
    assert.deepEqual(keys(candidatesOf(all, { own: all[0], most: 1 })), ['1100'])
    // Where another may come in its place also one that is not expected to pay: the model may be wrong.
    const poor = found('0111', 1, 0)
    assert.deepEqual(keys(candidatesOf(all, { own: poor, most: 1 })), ['1100', '0111'])
    assert.deepEqual(keys(candidatesOf(all.slice(3), { own: poor, most: 1 })), [])
    assert.deepEqual(candidatesOf(all, { own, most: 0 }), [])
  })

  it('give the fastest of those that were faster beyond chance and changed no text', () => {
    const timed = (key: string, median: number, low: number, identical = true): ConfirmedRecord => {
      const speedup = { median, low, high: 2 * median - low, count: 16 }
      return {
        kind: 'confirmed',
        key,
        draftLength: 2,
        plain: speedup,
        drafted: speedup,
        speedup,
        predicted: 1.5,
        identical,
      }
    }
    const slow = timed('1100', 0.9, 0.8)
    const unsure = timed('0011', 1.75, 0.75) // 1.75 - 1.57 * 2 / 4 is below 1, also of a single set
    const liar = timed('0110', 2, 1.9, false)
    assert.equal(fastest([slow, unsure, liar]), undefined)
    assert.equal(fastest([]), undefined)
    const often = { ...unsure, speedup: { ...unsure.speedup, count: 64 } }
    assert.equal(fastest([slow, often, liar]), often)
    assert.equal(fastest([slow, timed('0111', 1.25, 1.125), timed('0101', 1.5, 1.25), liar])?.key, '0101')
    // What counts is drafting as it is done unasked, where that was timed.
    const [good, bad] = [1.5, 0.5].map((median) => ({ median, low: median, high: median, count: 16 })) as [
      Spread,
      Spread,
    ]
    const unaskedSlow = { ...timed('0101', 2, 2), costModel: bad }
    const unaskedFast = { ...timed('1010', 0.5, 0.5), costModel: good }
    assert.equal(fastest([unaskedSlow]), undefined)
    assert.equal(fastest([unaskedSlow, unaskedFast, timed('0111', 1.25, 1.25)]), unaskedFast)
  })

  it('count for less the more there are of them: the best is often the luckiest', () => {
    // z is 1.959964 for 5 % on both sides, and 2.497705 for a fourth of that.
    const spread = { median: 1, low: 0.75, high: 1.25, count: 25 }
    assert.ok(Math.abs(leastMedian(spread, { among: 1 }) - (1 - 0.157)) < 1e-12)
    assert.ok(Math.abs(leastMedian(spread, { among: 4 }) - (1 - (0.157 * 2.497705) / 1.959964)) < 1e-4)
  })

  it('are those that were timed last, where a search that goes on timed them anew', () => {
    const [first, other, second] = ['0011', '0110', '0011'].map((key) => ({ key })) as [
      ConfirmedRecord,
      ConfirmedRecord,
      ConfirmedRecord,
    ]
    assert.deepEqual(timedLast([first, other, second]), [second, other])
    assert.equal(timedLast([first, other, second])[0], second)
  })
})

describe('the skip file of a search', () => {
  let folder = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-out-'))
  })
  afterEach(() => rm(folder, { recursive: true }))

  it('replaces what is a skip file, and nothing else', async () => {
    const file = join(folder, 'sets.json')
    await expectSkipFilePlace(file)
    const set = { attention: [1], mlp: [] }
    for (const content of [{ a: set, b: set }, { format: 'drafthorse/skip@1', a: set }, {}]) {
      await writeFile(file, JSON.stringify(content))
      await expectSkipFilePlace(file)
    }
    for (const content of [
      '',
      'mine',
      '[]',
      '{"name": "x"}',
      '{"a": {"attention": [1]}}',
      '{"format": "drafthorse/skip@9"}',
    ]) {
      await writeFile(file, content)
      await fails(() => expectSkipFilePlace(file), 'ERR_ARGUMENT', /sets\.json is there already and is no skip file/)
      assert.equal(await readFile(file, 'utf8'), content)
    }
    await writeFile(file, ' '.repeat(1_000_001))
    await fails(() => expectSkipFilePlace(file), 'ERR_ARGUMENT', /it has 1000001 bytes/)
    await mkdir(join(folder, 'there'))
    await fails(() => expectSkipFilePlace(join(folder, 'there')), 'ERR_ARGUMENT', /it is not a file/)
    await fails(() => expectSkipFilePlace(join(folder, 'no', 'x.json')), 'ERR_NOT_FOUND', /there is no folder/)
    assert.deepEqual((await readdir(folder)).toSorted(), ['sets.json', 'there'])
  })

  it('tells where and by what the set was found, and what drafting with it costs and brings', async () => {
    await using model = await loadModel(folderOf('qwen2'), { backend: 'reference', dtype: 'f32' })
    const key = '00001111'
    const chosen = { ...found(key, 1.25), confirmed: undefined }
    const header = headerOver({ ...hills(8), id: 'f00d' })
    const costs = { sublayers: new Array<number>(8).fill(0.125), around: 0, verify: [1, 1.5, 1.25] }
    const details = detailsOf(model, { header, costs, chosen })
    const file = join(folder, 'sets.json')
    await expectSkipFilePlace(file)
    // What another process writes while the search runs stays as well, but for a set that has no name.
    const later = { theirs: { attention: [1], mlp: [] } }
    await writeFile(file, JSON.stringify({ attention: [1], mlp: [] }))
    await writeSkipFile(file, { model, point: chosen.point, details })
    assert.deepEqual(Object.keys(JSON.parse(await readFile(file, 'utf8'))), ['format', 'qwen2'])
    await writeFile(file, JSON.stringify(later))
    await writeSkipFile(file, { model, point: chosen.point, details })
    const content = JSON.parse(await readFile(file, 'utf8'))
    assert.deepEqual(content.theirs, later.theirs)
    const { date: _, ...entry } = content.qwen2
    assert.deepEqual(entry, {
      backend: 'reference',
      dtype: 'f32',
      threads: 1,
      objective: 'f00d',
      draftLength: 2,
      predicted: 1.25,
      costs: [{ backend: 'reference', dtype: 'f32', threads: 1, draft: 0.5, verify: [1, 1.375, 1.375], prefix: 0.5 }],
      survival: [0.75, 0.5],
      id: model.id,
      attention: [2, 3],
      mlp: [2, 3],
    })
    const { skip, id, prior } = parseSkipEntry(content, { where: file, modelName: 'qwen2' })
    assert.deepEqual([skip, id], [{ attention: [2, 3], mlp: [2, 3] }, model.id])
    assert.deepEqual(prior, { costs: entry.costs, survival: entry.survival })
    // What measured as nothing is a cost still.
    const nothing = { sublayers: new Array<number>(8).fill(0), around: 0, verify: [1, 1] }
    assert.equal(detailsOf(model, { header, costs: nothing, chosen }).costs![0]!.draft, 1e-4)
  })
})
