// The docs are executed: every shell line and code block of README.md and docs/, unless its fence says no-run: reason.
//
// A block runs in a scratch folder of its document, below the package, so that `import 'drafthorse'` finds it.
// ```sh cwd=repo runs in the root instead; ```ts file=mine.ts keeps the block under that name for the blocks after it, and
// several with one name are parts of one file, which grows from block to block. What a ```console shows below its commands
// is held to what they print, `...` for anything; ```console exit=1 is of commands that end with that code.
// ```ts from=decode/stop.ts is not run: it quotes that source, with `// ...` for lines that are left out.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { projectFiles, read, root } from '../package/files.ts'
import { anchorsOf, type Block, blocksOf, linksOf } from './markdown.ts'
import { misquoted } from './quotes.ts'
import { commandsOf, missingLine, programOf } from './shell.ts'

const shell = new Set(['sh', 'bash', 'shell', 'console'])
const code = new Set(['ts', 'typescript', 'js', 'javascript', 'mjs'])
const shown = new Set(['text', 'txt', 'output', 'svg', 'html', 'mermaid', 'diff', 'csv', 'yaml', 'wgsl'])
const timeoutMs = 300_000

const documents = projectFiles().filter((path) => path === 'README.md' || /^docs\/.*\.md$/.test(path))
const scratch = join(root, '.tmp', 'docs')

function folderOf(path: string): string {
  return join(scratch, path.replace(/\.md$/, '').replaceAll('/', '-'))
}

/** The reason after `no-run:`, or undefined. Throws on a reason left out and on words that mean nothing here. */
function reasonNotToRun({ info }: Block): string | undefined {
  const reason = /^no-run\b:?\s*(.*)$/.exec(info)
  if (reason) assert.ok(info.startsWith('no-run: ') && reason[1], `"${info}": write no-run: reason`)
  else assert.match(info, /^(((file=[\w.-]+|cwd=repo|exit=\d)( |$))*|from=[\w./-]+)$/, `"${info}" is not known`)
  return reason?.[1]
}

function isRun({ language, info }: Block): boolean {
  return !/^(no-run|from=)/.test(info) && !shown.has(language)
}

function settingOf({ info }: Block, name: 'file' | 'cwd' | 'from' | 'exit'): string | undefined {
  return new RegExp(`\\b${name}=(\\S+)`).exec(info)?.[1]
}

/** Runs a program to its end; what it wrote. Throws where it ends with another code. */
async function run(program: string[], cwd: string, code = 0): Promise<string> {
  const [command = '', ...args] = program
  const child = spawn(command, args, {
    cwd,
    env: { ...process.env, NO_COLOR: '1', NODE_NO_WARNINGS: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeoutMs - 10_000,
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text))
  const [status, signal] = await new Promise<[number | null, string | null]>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...end) => resolve(end))
  })
  assert.equal(signal ?? status, code, `${program.join(' ')}\n${output.slice(-4000)}`)
  return output
}

/** Where a code block is written, in the folder of its document. */
function fileOf(path: string, block: Block): string {
  const extension = block.language.startsWith('t') ? 'ts' : 'mjs'
  return join(folderOf(path), settingOf(block, 'file') ?? `line-${block.line}.${extension}`)
}

/** Writes the code blocks of a document that begin before a line. */
function writeCode(path: string, end = Number.POSITIVE_INFINITY): void {
  const files = new Map<string, string[]>()
  for (const block of blocksOf(read(path))) {
    if (!isRun(block) || !code.has(block.language) || block.line > end) continue
    const file = fileOf(path, block)
    files.set(file, [...(files.get(file) ?? []), `${block.text}\n`])
  }
  for (const [file, parts] of files) writeFileSync(file, parts.join('\n'))
}

async function runBlock(path: string, block: Block): Promise<void> {
  writeCode(path, block.line)
  const cwd = settingOf(block, 'cwd') === 'repo' ? root : folderOf(path)
  if (shell.has(block.language)) {
    const commands = commandsOf(block.language, block.text)
    assert.ok(commands.length > 0, 'the block has no command')
    let output = ''
    for (const command of commands) {
      console.log(`      $ ${command}`)
      output += await run(programOf(command), cwd, Number(settingOf(block, 'exit') ?? 0))
    }
    const missing = block.language === 'console' ? missingLine(block.text, output) : undefined
    assert.equal(missing, undefined, `not printed, or not in this place: ${missing}\n${output.slice(0, 8000)}`)
  } else if (code.has(block.language)) {
    await run([process.execPath, '--import', 'tsx', fileOf(path, block)], cwd)
  } else if (block.language === 'json') {
    JSON.parse(block.text)
  } else {
    assert.fail(`"${block.language}" is neither run nor known as text: mark it no-run: reason`)
  }
}

describe('docs', function () {
  this.timeout(timeoutMs)

  before(() => {
    rmSync(scratch, { recursive: true, force: true })
    for (const path of documents) {
      mkdirSync(folderOf(path), { recursive: true })
      writeCode(path)
    }
  })

  it('README.md exists', () => {
    assert.ok(documents.includes('README.md'))
  })

  for (const path of documents) {
    describe(path, () => {
      const blocks = blocksOf(read(path))

      it('says of every block what language it is, and why where it is not run', () => {
        for (const block of blocks) {
          assert.ok(block.language !== '', `line ${block.line} does not say which language this is`)
          const reason = reasonNotToRun(block)
          if (reason !== undefined) console.log(`      not run: line ${block.line}: ${reason}`)
        }
      })

      for (const block of blocks) {
        const source = settingOf(block, 'from')
        if (source === undefined) continue
        it(`line ${block.line} quotes ${source} as it is`, () => {
          assert.ok(existsSync(join(root, source)), `there is no ${source}`)
          const wrong = misquoted(block.text, read(source))
          assert.equal(wrong, undefined, `${source} does not have, there or in this place: ${wrong}`)
        })
      }

      for (const block of blocks.filter(isRun)) {
        const first = block.text.trim().split('\n')[0] ?? ''
        it(`line ${block.line} (${block.language}): ${first.slice(0, 80)}`, () => runBlock(path, block))
      }
    })
  }

  describe('types', () => {
    it('the TypeScript blocks type-check', async () => {
      const files = documents.flatMap((path) =>
        blocksOf(read(path))
          .filter((block) => isRun(block) && block.language.startsWith('t'))
          .map((block) => fileOf(path, block)),
      )
      if (files.length === 0) return
      for (const path of documents) writeCode(path)
      const config = join(scratch, 'tsconfig.json')
      const unpublished = { noUnusedLocals: false, noUnusedParameters: false, isolatedDeclarations: false }
      const compilerOptions = { rootDir: root, ...unpublished }
      writeFileSync(config, JSON.stringify({ extends: '../../tsconfig.json', compilerOptions, include: [], files }))
      await run([process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-p', config], root)
    })
  })
})

describe('links', () => {
  for (const path of projectFiles().filter((file) => file.endsWith('.md'))) {
    it(`${path} points to files and headings that exist`, () => {
      for (const link of linksOf(read(path)).filter((target) => !/^([a-z]+:|\/\/)/i.test(target))) {
        const [file = '', anchor] = link.split('#')
        const target = file === '' ? path : posix.join(posix.dirname(path), decodeURI(file))
        assert.ok(!target.startsWith('..'), `${link} leaves the repository`)
        assert.ok(existsSync(join(root, target)), `${link}: there is no ${target}`)
        if (anchor === undefined || !target.endsWith('.md') || !statSync(join(root, target)).isFile()) continue
        assert.ok(anchorsOf(read(target)).has(anchor), `${link}: ${target} has no heading #${anchor}`)
      }
    })
  }
})
