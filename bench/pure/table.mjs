/** Text tables, as Markdown has them, so that what is printed can be pasted into docs. */

/**
 * Rows under a header; numbers to the right.
 * @param {readonly string[]} header
 * @param {readonly (readonly (string | number | undefined)[])[]} rows
 */
export function table(header, rows) {
  const cells = [header, ...rows.map((row) => header.map((_, column) => text(row[column])))]
  const widths = header.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)))
  const right = header.map((_, column) => rows.length > 0 && rows.every((row) => row[column] === undefined || typeof row[column] === 'number'))
  const line = (row) => `| ${row.map((cell, at) => (right[at] ? cell.padStart(widths[at]) : cell.padEnd(widths[at]))).join(' | ')} |`
  const rule = `|${widths.map((width, at) => '-'.repeat(width + 1) + (right[at] ? ':' : '-')).join('|')}|`
  return [line(cells[0]), rule, ...cells.slice(1).map(line)].join('\n')
}

/** Three figures are enough for a measurement. */
export function figure(value) {
  if (!Number.isFinite(value)) return '—'
  if (value === 0) return '0'
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toFixed(Math.min(digits, 4))
}

function text(cell) {
  if (cell === undefined) return ''
  return typeof cell === 'number' ? figure(cell) : cell
}
