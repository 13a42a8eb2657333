/** Text tables, as Markdown has them, so that what is printed can be pasted into docs. */

/**
 * Rows under a header; numbers to the right. A column that no row has anything in is left out.
 * @param {readonly string[]} header
 * @param {readonly (readonly (string | number | undefined)[])[]} rows
 * @returns {string}
 */
export function table(header, rows) {
  const columns = header.flatMap((title, at) => {
    const values = rows.map((row) => row[at])
    if (values.length > 0 && values.every((value) => value === undefined)) return []
    const cells = [title, ...values.map(text)]
    const width = Math.max(3, ...cells.map((cell) => cell.length))
    const right = values.length > 0 && values.every((value) => value === undefined || typeof value === 'number')
    return [{ cells: cells.map((cell) => (right ? cell.padStart(width) : cell.padEnd(width))), rule: '-'.repeat(width + 1) + (right ? ':' : '-') }]
  })
  const line = (_, row) => `| ${columns.map(({ cells }) => cells[row]).join(' | ')} |`
  const [head, ...lines] = [header, ...rows].map(line)
  return [head, `|${columns.map(({ rule }) => rule).join('|')}|`, ...lines].join('\n')
}

/**
 * Three figures are enough for a measurement; what is not a number is a dash.
 * @param {number} value
 */
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
