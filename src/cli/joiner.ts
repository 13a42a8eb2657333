/** Messages of several lines, in a program that reads lines. */

/**
 * Puts lines together: `\` at the end of a line goes on with the next one, `"""` opens and closes a block, and lines of one
 * paste belong together.
 */
export function joiner(): { add(line: string, goesOn?: boolean): string | undefined; readonly pending: boolean; reset(): void } {
  let open: string[] = []
  let block = false
  const close = (last: string) => {
    const message = [...open, last].join('\n')
    open = []
    block = false
    return message
  }
  const keep = (line: string) => void open.push(line)
  return {
    add(line, goesOn = false) {
      if (block) return line.endsWith(fence) ? close(line.slice(0, -fence.length)).replace(/^\n|\n$/g, '') : keep(line)
      if (open.length === 0 && line.startsWith(fence)) {
        const rest = line.slice(fence.length)
        if (rest.endsWith(fence)) return rest.slice(0, -fence.length)
        block = true
        return keep(rest)
      }
      if (goesOn) return keep(line)
      return line.endsWith('\\') ? keep(line.slice(0, -1)) : close(line)
    },
    get pending() {
      return block || open.length > 0
    },
    reset() {
      open = []
      block = false
    },
  }
}

/** What opens and closes a block. */
export const fence = '"""'
