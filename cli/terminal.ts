// Writing to a terminal: colours only where they show, and no control codes from a model's mouth.

import type { WriteStream } from 'node:tty'

export interface Paint {
  dim(text: string): string
  bold(text: string): string
  /** Marks tokens that were drafted and confirmed. */
  accepted(text: string): string
}

/** Colours for a stream: none when it is not a terminal, or when NO_COLOR is set. */
export function paintFor(stream: Pick<WriteStream, 'isTTY'>): Paint {
  const colours = stream.isTTY && !process.env['NO_COLOR']
  const paint = (on: string, off: string) => (text: string) =>
    colours && text ? `\u001b[${on}m${text}\u001b[${off}m` : text
  return { dim: paint('2', '22'), bold: paint('1', '22'), accepted: paint('32', '39') }
}

/**
 * Text from a model, fit for a terminal: control characters but newline and tab are left out, so that no escape sequence
 * begins, and so are the marks that turn the direction of what follows.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, '')
}

/**
 * Whether block characters show, as far as the environment says: the character set of the locale, which Windows does not
 * tell so and does not need to.
 */
export function showsBlocks(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): boolean {
  if (platform === 'win32') return true
  return /utf-?8/i.test(env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || '')
}
