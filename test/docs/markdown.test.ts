// The reading of Markdown, of shell lines and of quotations on which the docs tests rest.
import assert from 'node:assert/strict'
import { anchorsOf, blocksOf, linksOf } from './markdown.ts'
import { misquoted } from './quotes.ts'
import { commandsOf, missingLine, programOf, wordsOf } from './shell.ts'

const sample = [
  '# A title, with `code`',
  '[one](docs/one.md) ![two](two.svg "title") `[none](none.md)`',
  '```sh no-run: needs the network',
  'npx drafthorse pull [x](inside.md)',
  '```',
  '- in a list:',
  '  ````ts file=mine.ts',
  '  const a = 1',
  '  ```',
  '    indented',
  '  ````',
  '# A title, with `code`',
  '[ref]: three.md#part',
].join('\n')

describe('markdown', () => {
  it('finds fenced blocks with language, info, line and text without the indent', () => {
    assert.deepEqual(blocksOf(sample), [
      { language: 'sh', info: 'no-run: needs the network', text: 'npx drafthorse pull [x](inside.md)', line: 3 },
      { language: 'ts', info: 'file=mine.ts', text: 'const a = 1\n```\n  indented', line: 7 },
    ])
  })

  it('refuses a block that is never closed', () => {
    assert.throws(() => blocksOf('text\n```sh\nx'), /line 2 is never closed/)
  })

  it('finds links outside code only', () => {
    assert.deepEqual(linksOf(sample), ['docs/one.md', 'two.svg', 'three.md#part'])
  })

  it('makes anchors as GitHub does', () => {
    assert.deepEqual([...anchorsOf(sample)], ['a-title-with-code', 'a-title-with-code-1'])
  })
})

describe('shell lines', () => {
  it('takes what follows the prompt of a console block, and every line of a sh block', () => {
    assert.deepEqual(commandsOf('console', '$ node a.js\nits output\n$ node b.js'), ['node a.js', 'node b.js'])
    assert.deepEqual(commandsOf('sh', '# comment\nnode a.js \\\n  --flag\n\nnode b.js'), [
      'node a.js  --flag',
      'node b.js',
    ])
  })

  it('misses a line that was not printed, or not after the one before it', () => {
    const printed = 'table 1.5 ok\n  a [2] (x)\nb\nlast\n'
    for (const shown of ['table ... ok\n  a [2] (x)\nlast', '...\nb', '']) {
      assert.equal(missingLine(`$ node a.js\n${shown}`, printed), undefined, shown)
    }
    assert.equal(missingLine('$ node a.js\nb\n  a [2] (x)', printed), '  a [2] (x)')
    assert.equal(missingLine('$ node a.js\ntable', printed), 'table')
    assert.equal(missingLine('$ node a.js\nb\nb', printed), 'b')
  })

  it('splits words as sh does', () => {
    assert.deepEqual(wordsOf(`node a.js "two words" 'it''s' x\\ y "" # end`), [
      'node',
      'a.js',
      'two words',
      'its',
      'x y',
      '',
    ])
  })

  it('refuses what needs a shell, and programs that it does not know', () => {
    for (const line of ['node a.js | head', 'node a.js && node b.js', 'node a.js > out', 'echo $HOME']) {
      assert.throws(() => wordsOf(line), /needs a shell/)
    }
    assert.throws(() => programOf('npm start'), /no-run: reason/)
  })

  it('runs drafthorse from the built command line', () => {
    assert.deepEqual(programOf('npx drafthorse info --json').slice(2), ['info', '--json'])
    assert.match(programOf('drafthorse')[1] ?? '', /main\.js$/)
  })
})

describe('quotations', () => {
  const source = ['function f() {', '  if (a) {', '    b()', '', '    c()', '  }', '}', 'f()'].join('\n')

  it('are right where whole lines stand in the source, one piece after the other, indented alike', () => {
    const right = [
      source,
      'f()',
      'if (a) {\n  b()',
      '    if (a) {\n      b()',
      '  b()\n\n  c()',
      '// ...\nb()\n  // ...\n\nf()\n',
    ]
    for (const quotation of right) assert.equal(misquoted(quotation, source), undefined, quotation)
  })

  it('are wrong with a line that is not there, or not whole, or not in this place, and name it', () => {
    assert.equal(misquoted('if (a) {\n  d()', source), '  d()')
    assert.equal(misquoted('if (a)', source), 'if (a)')
    assert.equal(misquoted('b()\nc()', source), 'c()')
    assert.equal(misquoted('if (a) {\nb()', source), 'b()')
    assert.equal(misquoted('f()\n// ...\nb()', source), 'b()')
    assert.equal(misquoted('c()\n// ...\nc()', source), 'c()')
  })

  it('are wrong where they quote nothing', () => {
    for (const nothing of ['', '\n', '// ...']) assert.equal(misquoted(nothing, source), nothing)
  })
})
