// Journals: what is written is read again, a torn last line is dropped, and all other damage is named by line.
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ModelFormatError } from '../../engine/errors.ts'
import { expectSameSearch, type JournalHeader, type JournalRecord, journalLine } from '../../search/journal.ts'
import { openJournal } from '../../search/journal-file-node.ts'
import { parseJournal } from '../../search/journal-reader.ts'
import { runSearch } from '../../search/run.ts'
import { fails } from '../model/load/fixtures.ts'
import { climber, headerOver, hills } from './hills.ts'

const header = headerOver(hills(4))
const spread = { median: 1.5, low: 1.25, high: 1.75, count: 8 }
const begin: JournalRecord = { kind: 'begin', strategy: 'random', seed: 1, budget: { evaluations: 9, seconds: 0.5 } }
const point: JournalRecord = {
  kind: 'point',
  strategy: 'random',
  seed: 1,
  n: 0,
  key: '0011',
  speedup: 1.1,
  drafted: 0.9,
  draftLength: 2,
  survival: [0.75, 0.5, 0],
  draft: 0.625,
  ms: 12.5,
}
const confirmed: JournalRecord = {
  kind: 'confirmed',
  key: '0011',
  draftLength: 2,
  plain: spread,
  drafted: spread,
  speedup: spread,
  costModel: spread,
  predicted: 1.1,
  identical: true,
  again: true,
}
const end: JournalRecord = { kind: 'end', strategy: 'random', seed: 1, best: '0011', reason: 'budget' }

const bytesOf = (...lines: readonly (JournalHeader | JournalRecord | string)[]): Uint8Array =>
  new TextEncoder().encode(lines.map((line) => (typeof line === 'string' ? line : journalLine(line))).join(''))

function refused(bytes: Uint8Array, message: RegExp): void {
  assert.throws(
    () => parseJournal(bytes, 'a.jsonl'),
    (error) => {
      assert.ok(error instanceof ModelFormatError, String(error))
      assert.match(error.message, message)
      assert.match(error.message, /^a\.jsonl/)
      return true
    },
  )
}

describe('parseJournal', () => {
  it('reads what was written, and passes over kinds that it does not know', () => {
    const bytes = bytesOf(header, begin, '{"kind":"later","key":7}\n', point, confirmed, end)
    assert.deepEqual(parseJournal(bytes, 'a'), {
      header,
      records: [begin, point, confirmed, end],
      bytes: bytes.length,
    })
  })

  it('drops a torn last line, torn at any byte, also of the header', () => {
    const lines = [header, begin, point, confirmed, end].map((line) => bytesOf(line))
    const bytes = bytesOf(header, begin, point, confirmed, end)
    const ends: number[] = []
    for (const line of lines) ends.push((ends.at(-1) ?? 0) + line.length)
    for (let length = 0; length <= bytes.length; length++) {
      const whole = ends.filter((of) => of <= length)
      const journal = parseJournal(bytes.subarray(0, length), 'a')
      assert.equal(journal.bytes, whole.at(-1) ?? 0)
      assert.equal(journal.records.length, Math.max(0, whole.length - 1))
      assert.equal(journal.header === undefined, whole.length === 0)
    }
  })

  it('refuses what is no journal, and other versions of one', () => {
    refused(bytesOf('attention'), /no journal of a search/)
    refused(bytesOf('{"a":1}'), /no journal of a search/)
    refused(bytesOf('{"a":1}\n'), /line 1: "format" is missing/)
    refused(bytesOf('\n', header), /line 1 is not JSON/)
    refused(bytesOf(header).with(0, 0xff), /line 1 is not JSON/)
    refused(bytesOf('[]\n'), /line 1 is a list; expected a JSON object/)
    refused(
      bytesOf(journalLine(header).replace('search@1', 'search@2')),
      /line 1 has the format "drafthorse\/search@2"; this version reads "drafthorse\/search@1"/,
    )
  })

  const changed = (line: object, changes: object): string => `${JSON.stringify({ ...line, ...changes })}\n`

  it('refuses headers with other values, naming line and key', () => {
    for (const [changes, message] of [
      [{ model: '' }, /line 1: "model" is ""; expected a text of 1 to 1000 letters/],
      [{ modelId: undefined }, /"modelId" is missing/],
      [{ backend: 'x'.repeat(1001) }, /"backend" is "x/],
      [{ threads: 0 }, /"threads" is 0; expected a whole number from 1/],
      [{ sublayers: 4.5 }, /"sublayers" is 4\.5/],
      [{ costs: [0.1] }, /"costs" has 1 numbers; expected one for each of 4 sublayers/],
      [{ costs: [0.1, 0.1, 0.1, -1] }, /"costs"\[3\] is -1; expected a number from 0/],
      [{ costs: new Array(40_000).fill(1) }, /"costs" has 40000 numbers; expected 32768 at most/],
      [{ around: -0.5 }, /"around" is -0\.5; expected a number from 0/],
      [{ verify: 'all' }, /"verify" is "all"; expected a list of numbers/],
      [{ verify: [1, 0] }, /"verify"\[1\] is 0; expected a number above 0/],
      [{ costs: [0, 0, 0, 0] }, /"costs" is 0 for all 4 sublayers; expected one above 0/],
      [{ verify: [] }, /"verify" has 0 numbers; expected 4/],
      [{ verify: [1, 1.1, 1.2] }, /"verify" has 3 numbers; expected 4/],
      [{ verify: [5, 5, 5, 5] }, /"verify"\[0\] is 5; expected 1, a plain pass/],
      [{ verify: [1, 1.5, 1.25, 2] }, /"verify"\[2\] is 1\.25; expected 1\.5 at least/],
      [{ prompts: 3 }, /"prompts" is 3; expected a JSON object/],
      [{ prompts: { count: 1 } }, /"prompts": "tokens" is missing/],
    ] as const) {
      refused(bytesOf(changed(header, changes), begin), message)
    }
    refused(
      bytesOf(`{"format":"${'x'.repeat(2 ** 20)}"}\n`),
      /line 1 has 1048589 bytes; a line of a journal has 1048576/,
    )
  })

  it('refuses records with other values, naming line and key', () => {
    for (const [record, changes, message] of [
      [begin, { kind: 7 }, /line 3: "kind" is 7/],
      [begin, { budget: { evaluations: 0 } }, /line 3: "budget": "evaluations" is 0/],
      [begin, { seed: -1 }, /"seed" is -1/],
      [point, { key: '001' }, /line 3: "key" is "001"; expected 4 digits, each 0 or 1/],
      [point, { key: '0021' }, /"key" is "0021"/],
      [point, { speedup: 0 }, /"speedup" is 0; expected a number above 0/],
      [point, { speedup: null }, /"speedup" is null/],
      [point, { draftLength: -1 }, /"draftLength" is -1/],
      [point, { survival: [1.5] }, /"survival"\[0\] is 1\.5; expected a share from 0 to 1/],
      [
        point,
        { survival: [0.5, 0.75] },
        /"survival"\[1\] is 0\.75; expected a share from 0 to the one before it, 0\.5/,
      ],
      [point, { ms: -1 }, /"ms" is -1/],
      [confirmed, { plain: { ...spread, count: 0 } }, /"plain": "count" is 0/],
      [confirmed, { drafted: 5 }, /"drafted" is 5; expected a JSON object/],
      [confirmed, { identical: 'yes' }, /"identical" is "yes"; expected true or false/],
      [end, { reason: 'bored' }, /"reason" is "bored"; expected one of budget, exhausted, interrupted/],
    ] as const) {
      refused(bytesOf(header, begin, changed(record, changes), end), message)
    }
  })

  it('refuses what cannot follow what stands before', () => {
    const other = { ...point, n: 1, key: '0001' }
    refused(bytesOf(header, point), /line 2 is of "random" with seed 1, which no line before it begins/)
    refused(bytesOf(header, begin, { ...point, n: 1 }), /line 3: "n" is 1; expected 0, the next evaluation/)
    refused(bytesOf(header, begin, point, { ...point, n: 1 }), /line 4 evaluates 0011 a second time/)
    refused(bytesOf(header, begin, end), /line 3: "best" is 0011, which "random" with seed 1 has not evaluated/)
    const second = [
      { ...begin, seed: 2 },
      { ...point, seed: 2 },
    ]
    assert.equal(parseJournal(bytesOf(header, begin, point, other, ...second), 'a').records.length, 5)
    const lies = { ...point, seed: 2, speedup: 1.2 }
    refused(bytesOf(header, begin, point, { ...begin, seed: 2 }, lies), /line 5 has another evaluation of 0011/)
  })

  it('gives an error of its own, or a journal, for any byte that is another', () => {
    const bytes = bytesOf(header, begin, point, confirmed, end)
    for (let i = 0; i < bytes.length; i++) {
      for (const byte of [0, 0x0a, 0x22, 0x30, 0x39, 0x7d, 0xc3]) {
        try {
          parseJournal(bytes.with(i, byte), 'a')
        } catch (error) {
          assert.ok(error instanceof ModelFormatError, `byte ${i} as ${byte}: ${error}`)
        }
      }
    }
  })
})

describe('expectSameSearch', () => {
  const { format: _, costs: __, around: ___, verify: ____, version: _____, date: ______, ...same } = header

  it('takes the same search, whatever the model is called, and says what differs of another', async () => {
    expectSameSearch(header, { ...same, model: 'renamed' }, 'a')
    const differs = (changes: Partial<typeof same>, message: RegExp): Promise<void> =>
      fails(async () => expectSameSearch(header, { ...same, ...changes }, 'a.jsonl'), 'ERR_ARGUMENT', message)
    await differs({ modelId: 'ffff' }, /model is "häns" with the id a1b2 there and "häns" with the id ffff here/)
    await differs({ backend: 'wasm', dtype: 'q8_0' }, /backend is "reference" there and "wasm" here; dtype is "f32"/)
    await differs({ threads: 2 }, /threads is 1 there and 2 here/)
    await differs({ draftLengths: 8 }, /draftLengths is 3 there and 8 here/)
    await differs({ prompts: { count: 3, tokens: 10 } }, /prompts\.count is 2 there and 3 here/)
    await differs(
      { objective: 'valleys' },
      /a\.jsonl is the journal.*objective is "hills" there and "valleys" here.*another journal/,
    )
  })
})

describe('openJournal', () => {
  let folder = ''
  let path = ''
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'drafthorse-journal-'))
    path = join(folder, 'a.jsonl')
  })
  afterEach(() => rm(folder, { recursive: true }))

  const written = async (...lines: (JournalHeader | JournalRecord)[]): Promise<void> => {
    await using file = await openJournal(path, { resume: false })
    for (const line of lines) await file.append(line)
  }

  it('appends lines that are in the file at once, and goes on after them', async () => {
    {
      await using file = await openJournal(path, { resume: false })
      assert.deepEqual([file.header, file.records], [undefined, []])
      const lines = [header, begin, point]
      for (const [i, line] of lines.entries()) {
        await file.append(line)
        assert.deepEqual(await readFile(path), Buffer.from(bytesOf(...lines.slice(0, i + 1))))
      }
    }
    await using again = await openJournal(path, { resume: true })
    assert.deepEqual([again.header, again.records], [header, [begin, point]])
    await again.append(end)
    assert.deepEqual(await readFile(path), Buffer.from(bytesOf(header, begin, point, end)))
  })

  it('neither replaces a journal nor goes on with one that is not there', async () => {
    await fails(
      () => openJournal(path, { resume: true }),
      'ERR_NOT_FOUND',
      /no journal .*a\.jsonl to go on with; leave/,
    )
    const nowhere = join(folder, 'no', 'a.jsonl')
    await fails(() => openJournal(nowhere, { resume: false }), 'ERR_NOT_FOUND', /no such folder/)
    await fails(() => openJournal(folder, { resume: true }).then((file) => file.close()), 'EISDIR', /./)
    await written(header)
    await fails(() => openJournal(path, { resume: false }), 'ERR_ARGUMENT', /a\.jsonl has \d+ bytes; give --resume/)
    assert.deepEqual(await readFile(path), Buffer.from(bytesOf(header)))
  })

  it('leaves a file that is no journal as it is', async () => {
    for (const content of ['my diary', 'my diary\n', `${journalLine(header)}torn?\n`]) {
      await writeFile(path, content)
      await fails(() => openJournal(path, { resume: true }), 'ERR_MODEL_FORMAT', /a\.jsonl/)
      assert.equal(await readFile(path, 'utf8'), content)
    }
  })

  it('leaves no file behind where nothing was written', async () => {
    await written()
    await assert.rejects(() => stat(path), /ENOENT/)
    await writeFile(path, '')
    await written()
    assert.equal(await readFile(path, 'utf8'), '', 'the file of somebody else')
  })

  it('notices that another process writes to the same file', async () => {
    await written(header)
    await using one = await openJournal(path, { resume: true })
    await using two = await openJournal(path, { resume: true })
    await one.append(begin)
    await fails(() => two.append(begin), 'ERR_ARGUMENT', /another process writes to/)
    assert.deepEqual(await readFile(path), Buffer.from(bytesOf(header, begin)))
  })

  const settings = { strategies: [climber()], seed: 5, budget: { evaluations: 12 }, clock: () => 0 }

  it('goes on from any byte to the journal of a search that was never disturbed', async function () {
    this.timeout(60_000)
    const undisturbed = await inMemory(new Uint8Array())
    for (let length = 0; length <= undisturbed.bytes.length; length++) {
      const torn = undisturbed.bytes.subarray(0, length)
      const { bytes, evaluated } = await inMemory(torn)
      const [way, wayOf] = [bytes, undisturbed.bytes].map((of) => withoutBegin(parseJournal(of, 'a').records))
      assert.deepEqual(way, wayOf, `torn after ${length} bytes`)
      const known = parseJournal(torn, 'a').records.filter(({ kind }) => kind === 'point')
      assert.equal(evaluated, 12 - known.length)
    }
  })

  it('does so in a file, torn before, in and after each line', async function () {
    this.timeout(60_000)
    const { bytes: whole } = await inMemory(new Uint8Array())
    const lengths = [...whole.keys()].filter((i) => i === 0 || whole[i] === 10).flatMap((i) => [i, i + 1, i + 20])
    for (const length of lengths) {
      await writeFile(path, whole.subarray(0, length))
      const objective = hills(6)
      {
        await using file = await openJournal(path, { resume: true })
        if (!file.header) await file.append(headerOver(objective))
        await runSearch(objective, { ...settings, log: file })
      }
      const [way, wayOf] = [await readFile(path), whole].map((of) => withoutBegin(parseJournal(of, 'a').records))
      assert.deepEqual(way, wayOf, `torn after ${length} bytes`)
    }
  })

  const withoutBegin = (of: readonly JournalRecord[]): readonly JournalRecord[] =>
    of.filter(({ kind }) => kind !== 'begin')

  /** Goes on with a journal as {@link openJournal} does, without a disk; what it holds then. */
  async function inMemory(torn: Uint8Array): Promise<{ bytes: Uint8Array; evaluated: number }> {
    const objective = hills(6)
    const { header: there, records, bytes } = parseJournal(torn, 'a')
    const lines: string[] = there ? [] : [journalLine(headerOver(objective))]
    const append = async (record: JournalRecord): Promise<void> => void lines.push(journalLine(record))
    await runSearch(objective, { ...settings, log: { records, append } })
    const whole = Buffer.concat([torn.subarray(0, bytes), Buffer.from(lines.join(''))])
    return { bytes: whole, evaluated: objective.evaluated.length }
  }
})
