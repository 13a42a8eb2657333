/** Figures and tables for people. Programs get `--json`. */
import type { FinishPart } from '../index.js'

const units = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** Bytes in decimal units, three digits: `4.05 MB`. */
export function bytes(count: number): string {
  let value = count
  let unit = 0
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000
    unit += 1
  }
  return unit === 0 ? `${count} B` : `${value.toPrecision(3)} ${units[unit]}`
}

/** A count with thousands apart: `1 876 992`. */
export function count(value: number): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ' ')
}

/** A speed or duration with the digits that mean something. */
export function figure(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1)
}

/** The end of an answer in one line. */
export function figures({ reason, usage, timings, seed }: FinishPart): string {
  const cached = usage.cachedTokens > 0 ? `, ${usage.cachedTokens} cached` : ''
  const thought = usage.reasoningTokens > 0 ? `, ${usage.reasoningTokens} of them thought` : ''
  return [
    `${usage.completionTokens} tokens${thought} at ${figure(timings.tokensPerSecond)} tok/s`,
    `prompt ${usage.promptTokens} tokens${cached} at ${figure(timings.promptTokensPerSecond)} tok/s`,
    `first token ${figure(timings.firstTokenMs)} ms`,
    reason,
    ...(seed === undefined ? [] : [`seed ${seed}`]),
  ].join(' · ')
}

/** Rows of names and values, the names in one column; rows without a value are left out. */
export function fields(rows: ReadonlyArray<readonly [name: string, value: string | number | undefined]>): string {
  const shown = rows.filter(([, value]) => value !== undefined && value !== '')
  const width = Math.max(...shown.map(([name]) => name.length))
  return shown.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('')
}

/** Rows of cells in columns, two spaces apart; the last column is not padded. */
export function table(rows: ReadonlyArray<readonly string[]>): string {
  const widths: number[] = []
  for (const row of rows) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return rows.map((row) => `${row.map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0))).join('  ')}\n`).join('')
}

/** `text` in at most `width` columns of one line; control characters are escaped, so a file cannot write to the terminal. */
export function clip(text: string, width: number): string {
  const line = printable(text)
  return line.length > width ? `${line.slice(0, Math.max(0, width - 1))}…` : line
}

/** `text` with control characters written out (`\n`, `\x1b`). */
export function printable(text: string): string {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u001f\u007f-\u009f]/g, (c) => named[c] ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

const named: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
