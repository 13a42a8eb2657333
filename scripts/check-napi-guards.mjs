// Every function of the addon that JavaScript can call catches panics: a panic that unwinds out of one would end the process.
//   node scripts/check-napi-guards.mjs [ROOT]     prints file:line and the function, and exits with 1, when one does not
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { files, lineAt, read, report, rustCode } from './source.mjs'

/** An attribute of napi's, with its arguments; strings are blanked, so brackets are those of the attribute. */
const attribute = /#\[\s*(?:napi_derive::)?(napi|module_init|module_exports)\b([^\]]*)\]/g

/** What may stand between the attribute and the name of what it is on: other attributes, visibility, qualifiers. */
const item = /^(?:\s*#\[[^\]]*\])*\s*(?:pub(?:\s*\([^)]*\))?\s+)?((?:(?:const|async|unsafe|extern)\s+)*)(fn|impl|struct|enum|const|type|mod)\b\s*(\w+)?/

/** The functions of one file: `{ path, line, rule }`, without a rule where all is well. */
function functions(path, code) {
  return [...code.matchAll(attribute)].flatMap((match) => {
    const line = lineAt(code, match.index)
    const on = item.exec(code.slice(match.index + match[0].length))
    if (!on) return [{ path, line, rule: 'an attribute of napi on something this check does not know' }]
    const [, qualifiers, kind, name] = on
    return kind === 'fn' ? [{ path, line, rule: broken(name, qualifiers, match[1], match[2]) }] : []
  })
}

function broken(name, qualifiers, attribute, values) {
  if (/\basync\b/.test(qualifiers)) return `${name} is async: its panics are not caught, and the addon has no runtime`
  if (attribute !== 'napi') return `${name} runs when the addon loads, where no panic is caught`
  return /\bcatch_unwind\b/.test(values) ? undefined : `${name} is not guarded: write #[napi(catch_unwind)]`
}

const root = process.argv[2] ?? dirname(dirname(fileURLToPath(import.meta.url)))
const found = files(root, 'crates/node', '.rs').flatMap((path) => functions(path, rustCode(read(root, path))))
// A check that looks in the wrong place would find nothing wrong for ever.
const none = found.length === 0 ? [{ path: 'crates/node', line: 1, rule: 'has no function of napi; this check looks in the wrong place' }] : []
report(`guards of ${found.length} functions`, [...none, ...found.filter(({ rule }) => rule)])
