// The values of a journal's lines, within bounds: every error says which line and key, what came and what was expected.

import type { Spread } from '../decode/timing.ts'
import { ModelFormatError } from '../engine/errors.ts'
import { asObject, describe, type JsonObject } from '../model/load/json.ts'

/** More than that is no journal of a search. */
const most = { letters: 1000, numbers: 2 ** 15 }

/** A line, or an object in it. */
export interface Fields {
  text(key: string): string
  /** A whole number from `from` on. */
  whole(key: string, from: number): number
  /** A number from 0 on, or above it. */
  figure(key: string, from: 'zero' | 'above zero'): number
  figures(key: string, from: 'zero' | 'above zero'): readonly number[]
  /** So many digits, each 0 or 1. */
  point(key: string, sublayers: number): string
  /** Shares from 0 to 1, none above the one before. */
  survival(key: string): readonly number[]
  truth(key: string): boolean
  spread(key: string): Spread
  one<T extends string>(key: string, of: readonly T[]): T
  inside(key: string): Fields
  has(key: string): boolean
}

/** Reads the keys of an object. All throw {@link ModelFormatError}, which begins with `where`. */
export function fieldsOf(object: JsonObject, where: string): Fields {
  const refuse = (key: string, expected: string): never => {
    throw new ModelFormatError(`${where}: "${key}" is ${describe(object[key])}; expected ${expected}`)
  }
  const isFigure = (value: unknown, from: 'zero' | 'above zero'): value is number =>
    typeof value === 'number' && Number.isFinite(value) && (from === 'zero' ? value >= 0 : value > 0)
  const expected = (from: 'zero' | 'above zero'): string => (from === 'zero' ? 'a number from 0' : 'a number above 0')
  const listOf = (key: string, of: string): readonly unknown[] => {
    const list = object[key]
    if (!Array.isArray(list)) return refuse(key, `a list of ${of}`)
    if (list.length <= most.numbers) return list
    throw new ModelFormatError(`${where}: "${key}" has ${list.length} ${of}; expected ${most.numbers} at most`)
  }

  const fields: Fields = {
    text(key) {
      const value = object[key]
      if (typeof value === 'string' && value.length >= 1 && value.length <= most.letters) return value
      return refuse(key, `a text of 1 to ${most.letters} letters`)
    },
    whole(key, from) {
      const value = object[key]
      if (typeof value === 'number' && Number.isSafeInteger(value) && value >= from) return value
      return refuse(key, `a whole number from ${from}`)
    },
    figure(key, from) {
      const value = object[key]
      return isFigure(value, from) ? value : refuse(key, expected(from))
    },
    figures: (key, from) =>
      listOf(key, 'numbers').map((value, i) => {
        if (isFigure(value, from)) return value
        throw new ModelFormatError(`${where}: "${key}"[${i}] is ${describe(value)}; expected ${expected(from)}`)
      }),
    point(key, sublayers) {
      const value = object[key]
      if (typeof value === 'string' && value.length === sublayers && !/[^01]/.test(value)) return value
      return refuse(key, `${sublayers} digits, each 0 or 1`)
    },
    survival(key) {
      let before = 1
      return listOf(key, 'shares').map((value, i) => {
        if (!isFigure(value, 'zero') || value > before) {
          const limit = i === 0 ? '1' : `the one before it, ${before}`
          const what = `a share from 0 to ${limit}`
          throw new ModelFormatError(`${where}: "${key}"[${i}] is ${describe(value)}; expected ${what}`)
        }
        before = value
        return value
      })
    },
    truth(key) {
      const value = object[key]
      return typeof value === 'boolean' ? value : refuse(key, 'true or false')
    },
    spread(key) {
      const of = fields.inside(key)
      return {
        median: of.figure('median', 'zero'),
        low: of.figure('low', 'zero'),
        high: of.figure('high', 'zero'),
        count: of.whole('count', 1),
      }
    },
    one(key, names) {
      const found = names.find((name) => name === object[key])
      return found ?? refuse(key, `one of ${names.join(', ')}`)
    },
    inside: (key) => fieldsOf(asObject(object[key], `${where}: "${key}"`), `${where}: "${key}"`),
    has: (key) => object[key] !== undefined,
  }
  return fields
}
