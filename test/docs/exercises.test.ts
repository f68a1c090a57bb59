// docs/exercises beside the code. That each stub fails with what its page shows, and that each solution passes, is run by
// docs.test.ts; here, that the checks of rejection catch mistakes, and that the hints are about cases that there are.
import assert from 'node:assert/strict'
import { opCases } from 'drafthorse/conformance'
import { draw } from '../../docs/exercises/draw.ts'
import { type Accept, checks, type Round } from '../../docs/exercises/rejection-checks.ts'
import solution from '../../docs/exercises/rejection-solution.ts'
import { projectFiles, read } from '../package/files.ts'
import { blocksOf } from './markdown.ts'

const folder = 'docs/exercises'
const exercises = [...read(`${folder}/README.md`).matchAll(/^\| \[\w+\]\((.+)\.md\) \|/gm)].map(([, name = '']) => name)

/** What the hints of a page are about: the first cells of its tables. */
function hinted(name: string): string[] {
  const rows = read(`${folder}/${name}.md`).matchAll(/^\| `?(.+?)`? \|/gm)
  return [...rows].map(([, cell = '']) => cell).filter((cell) => !/^(case|check|-+)$/.test(cell))
}

/** The solution, but for what becomes of one drafted token: whether it stands, and what else comes in its place. */
function judging(
  stands: (p: number, q: number, uniform: () => number) => boolean,
  instead: (p: Float64Array, q: Float64Array, uniform: () => number) => number,
): Accept {
  return ({ drafted, q, p, uniform }) => {
    for (const [at, token] of drafted.entries()) {
      if (stands(p[at]![token]!, q[at]![token]!, uniform)) continue
      return [...drafted.slice(0, at), instead(p[at]!, q[at]!, uniform)]
    }
    return [...drafted, draw(p[drafted.length]!, uniform())]
  }
}

const rightly = (p: number, q: number, uniform: () => number): boolean => uniform() < p / q
const residual = (p: Float64Array, q: Float64Array): Float64Array => p.map((value, id) => Math.max(0, value - q[id]!))
const fromResidual = (p: Float64Array, q: Float64Array, uniform: () => number): number =>
  draw(residual(p, q), uniform())

/** Wrong functions, each with the beginning of a check that has to fail. */
const mistakes: Readonly<Record<string, { accept: Accept; fails: string; says: RegExp }>> = {
  'draws from p in place of what fell': {
    accept: judging(rightly, (p, _, uniform) => draw(p, uniform())),
    fails: 'three tokens have the law of the model, drafted well, one',
    says: /were \d,\d,\d, expected .* less than 1e-12$/,
  },
  'takes the residual without its sign': {
    accept: judging(rightly, (p, q, uniform) =>
      draw(
        p.map((value, id) => Math.abs(value - q[id]!)),
        uniform(),
      ),
    ),
    fails: 'three tokens have the law of the model, drafted well, one',
    says: /were \d,\d,\d, expected .* less than 1e-12$/,
  },
  'uses one random number for both': {
    accept: (round: Round) => {
      const once = round.uniform()
      return solution({ ...round, uniform: () => once })
    },
    fails: 'three tokens have the law of the model, drafted well, one',
    says: /were \d,\d,\d, expected .* less than 1e-12$/,
  },
  'takes the likeliest of the residual': {
    accept: judging(rightly, (p, q) =>
      residual(p, q).reduce((best, value, id, all) => (value > all[best]! ? id : best), 0),
    ),
    fails: 'three tokens have the law of the model, drafted well, one',
    says: /were \d,\d,\d, expected .* less than 1e-12$/,
  },
  'turns the ratio round': {
    accept: judging((p, q, uniform) => uniform() < q / p, fromResidual),
    fails: 'good drafts stand',
    says: / of 20000 stood, expected 69\.3 %/,
  },
  'accepts by p alone': {
    accept: judging((p, _, uniform) => uniform() < p, fromResidual),
    fails: 'all that a draft',
    says: /it kept \d+(,\d+)*: where p equals q all of them stand/,
  },
  'draws anew each time': {
    accept: ({ p, uniform }) => [draw(p[0]!, uniform())],
    fails: 'bad drafts stand',
    says: / of 20000 stood, expected 34\.7 %/,
  },
  'believes every draft': {
    accept: ({ drafted, p, uniform }) => [...drafted, draw(p[drafted.length]!, uniform())],
    fails: 'a token that the model rules out',
    says: /though p\[\d\]\[\d\] is 0$/,
  },
  'has no token after the last': {
    accept: (round) => {
      const kept = solution(round)
      return kept.length > round.drafted.length ? round.drafted : kept
    },
    fails: 'all that a draft',
    says: /and one more token comes from the model$/,
  },
  'goes on after one that fell': {
    accept: (round) => [...solution(round), round.drafted[0]!],
    fails: 'a round keeps',
    says: /has to be the last of these$/,
  },
  'keeps nothing': { accept: () => [], fails: 'a round keeps', says: /it kept nothing/ },
  'keeps what is no token': { accept: () => [5], fails: 'a round keeps', says: /it kept 5, but tokens are 0 to 4$/ },
}

describe('the exercises', () => {
  it('have a page, a file to fill in and a solution each, and the page names all of them', () => {
    assert.ok(exercises.length >= 3)
    const files = projectFiles(folder)
    for (const name of exercises) {
      for (const part of [`${name}.md`, `${name}.ts`, `${name}-solution.ts`])
        assert.ok(files.includes(`${folder}/${part}`))
      const page = read(`${folder}/${name}.md`)
      for (const part of [`${name}.ts`, `${name}-solution.ts`]) assert.ok(page.includes(`](${part})`), part)
    }
  })

  it('show the command that fails as it is, and the one that passes with the solution', () => {
    for (const name of exercises) {
      const commands = (exit: boolean) =>
        blocksOf(read(`${folder}/${name}.md`))
          .filter(({ language, info }) => language === 'console' && /\bexit=1\b/.test(info) === exit)
          .map(({ text }) => text)
      assert.ok(commands(true).some((text) => text.includes(`${folder}/${name}.ts`) && text.includes('\nFAILED ')))
      assert.ok(commands(false).some((text) => text.includes(`${folder}/${name}-solution.ts`)))
    }
  })

  it('give hints about cases and checks that there are', () => {
    const names = [...opCases().map(({ name }) => name), ...Object.keys(checks)]
    for (const exercise of exercises) {
      const about = hinted(exercise)
      assert.ok(about.length >= 4, exercise)
      for (const hint of about)
        assert.ok(
          names.some((name) => name.startsWith(hint)),
          hint,
        )
    }
  })
})

describe('the checks of rejection', () => {
  for (const [mistake, { accept, fails, says }] of Object.entries(mistakes)) {
    it(`catch an accept that ${mistake}`, () => {
      const [, check] = Object.entries(checks).find(([name]) => name.startsWith(fails))!
      assert.throws(() => check(accept), says)
    })
  }
})
