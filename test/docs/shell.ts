// Turns the shell lines of the docs into commands that run without a shell, so that they run alike on every system.
import { join } from 'node:path'
import { root } from '../package/files.ts'

/** The commands of a block: in `console` what follows `$ `, else every line; comments left out, `\` joins lines. */
export function commandsOf(language: string, text: string): string[] {
  const joined = text.replace(/\\\n\s*/g, ' ').split('\n')
  const lines =
    language === 'console' ? joined.filter((line) => /^\$ /.test(line)).map((line) => line.slice(2)) : joined
  return lines.map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#'))
}

/**
 * The first line below the commands of a `console` block that is not among what they printed, after the one before it; or
 * nothing. `...` stands for anything, alone for any lines.
 */
export function missingLine(text: string, output: string): string | undefined {
  const shown = text.split('\n').filter((line) => !/^(\$ .*|\s*(\.\.\.)?)$/.test(line))
  const printed = output.split(/\r?\n/)
  let at = 0
  for (const line of shown) {
    const parts = line.trimEnd().split('...')
    const pattern = new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}\\s*$`)
    const found = printed.findIndex((candidate, i) => i >= at && pattern.test(candidate))
    if (found === -1) return line
    at = found + 1
  }
  return undefined
}

/** The program and arguments of a command. Throws where it is none that the tests can run. */
export function programOf(command: string): string[] {
  const words = wordsOf(command)
  const bare = words[0] === 'npx' ? words.slice(1) : words
  if (bare[0] === 'drafthorse') return [process.execPath, join(root, 'dist/cli/main.js'), ...bare.slice(1)]
  if (words[0] === 'npx' && bare[0] === 'tsx') return [process.execPath, '--import', 'tsx', ...bare.slice(1)]
  if (words[0] === 'node') return [process.execPath, ...words.slice(1)]
  throw new Error(`cannot run "${command}": it is no drafthorse, node or npx tsx; mark the block no-run: reason`)
}

/** Words of a command line, quotes and backslashes as in sh. Throws on anything that needs a shell. */
export function wordsOf(command: string): string[] {
  const words: string[] = []
  let word: string | undefined
  let quote = ''
  for (let i = 0; i < command.length; i++) {
    const char = command.charAt(i)
    if (quote) {
      if (char === quote) quote = ''
      else if (quote === '"' && char === '\\' && /["\\$`]/.test(command.charAt(i + 1))) word += command.charAt(++i)
      else word += char
    } else if (char === '"' || char === "'") {
      quote = char
      word ??= ''
    } else if (char === '\\') {
      word = (word ?? '') + command.charAt(++i)
    } else if (/\s/.test(char)) {
      if (word !== undefined) words.push(word)
      word = undefined
    } else if (char === '#' && word === undefined) {
      break
    } else if (/[|&;<>()$`*?]/.test(char)) {
      throw new Error(`cannot run "${command}": "${char}" needs a shell; mark the block no-run: reason`)
    } else {
      word = (word ?? '') + char
    }
  }
  if (quote) throw new Error(`cannot run "${command}": ${quote} is never closed`)
  if (word !== undefined) words.push(word)
  return words
}
