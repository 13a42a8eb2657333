import { describe, expect, it } from 'vitest'
import { figure, table } from '../../bench/pure/table.mjs'

describe('the tables of the bench', () => {
  it('are Markdown, numbers to the right, without empty columns', () => {
    const rows = [
      ['a', undefined, 1234.5],
      ['long name', undefined, undefined],
    ]
    expect(table(['file', 'limit', 'tok/s'], rows)).toBe(
      ['| file      | tok/s |', '|-----------|------:|', '| a         |  1235 |', '| long name |       |'].join('\n'),
    )
  })

  it.each([
    [0, '0'],
    [0.01234, '0.0123'],
    [0.9995, '1.000'],
    [1.234, '1.23'],
    [56.78, '56.8'],
    [-27.84, '-27.8'],
    [31234.4, '31234'],
    [NaN, '—'],
    [Infinity, '—'],
  ])('show %f as %s', (value, shown) => expect(figure(value)).toBe(shown))
})
