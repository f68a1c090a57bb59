// What a model writes cannot steer a terminal.
import assert from 'node:assert/strict'
import fc from 'fast-check'
import { printable, showsBlocks } from '../../cli/terminal.ts'

describe('text for a terminal', () => {
  it('has no escape sequences, of one byte or of two', () => {
    assert.equal(printable('a\u001b[2Jb\u009b2Jc\u001b]0;title\u0007d\re\bf\u007f'), 'a[2Jb2Jc]0;titledef')
  })

  it('has no marks that turn the direction of what follows', () => {
    assert.equal(printable('a\u202eb\u2066c\u2028d'), 'abcd')
  })

  it('keeps lines, tabs, and every character that is seen, joined emoji too', () => {
    const text = 'one\n\ttwo é 中文 😀 👩‍👩‍👧 שלום \u200f'
    assert.equal(printable(text), text)
  })

  it('has no control characters in any pieces of any text, joined again', () => {
    const characters = fc.array(fc.constantFrom('\u001b', '[', '2', 'J', '\u009b', '\ud83d', '\ude00', '\n', '\r'))
    fc.assert(
      fc.property(fc.array(characters), (pieces) => {
        const shown = pieces.map((piece) => printable(piece.join(''))).join('')
        assert.doesNotMatch(shown, /[^\P{Cc}\n\t]/u)
      }),
    )
  })
})

describe('block characters', () => {
  it('show where the locale is of UTF-8, by the variable that counts', () => {
    const shows = (env: Record<string, string>): boolean => showsBlocks(env, 'linux')
    assert.ok(shows({ LANG: 'en_GB.UTF-8' }))
    assert.ok(shows({ LANG: 'C', LC_CTYPE: 'C.utf8' }))
    assert.ok(shows({ LC_ALL: '', LANG: 'C.UTF-8' }))
    assert.ok(!shows({ LC_ALL: 'C', LC_CTYPE: 'C.UTF-8', LANG: 'C.UTF-8' }))
    assert.ok(!shows({ LANG: 'de_DE.ISO-8859-1' }))
    assert.ok(!shows({}))
  })

  it('show on Windows, which has no locale in its environment', () => {
    assert.ok(showsBlocks({}, 'win32'))
  })
})
