// Everything that must hold, in the order that fails soonest; ends with one line that counts Rust and TypeScript tests.
//   node scripts/test.mjs [step …]     without arguments: all steps
import { spawn } from 'node:child_process'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))

const steps = {
  build: ['node', 'scripts/build.mjs'],
  generated: ['git', 'diff', '--exit-code', '--stat', '--', 'index.js', 'index.d.ts', 'Cargo.lock', 'package-lock.json'],
  imports: ['node', 'scripts/check-imports.mjs'],
  guards: ['node', 'scripts/check-napi-guards.mjs'],
  format: ['cargo', 'fmt', '--check'],
  types: ['npx', 'tsc', '-p', 'tsconfig.json'],
  rust: ['cargo', 'test', '--workspace', '--quiet'],
  clippy: ['cargo', 'clippy', '--workspace', '--all-targets', '--quiet', '--', '-D', 'warnings'],
  typescript: ['npx', 'vitest', 'run'],
}

/** What a test runner prints of its counts. */
const counts = [
  { line: /^test result: \w+\. (\d+) passed; (\d+) failed/, read: ([, passed, failed]) => [Number(passed), Number(failed)] },
  {
    line: /^\s*Tests\s+(.*)\(\d+\)$/,
    read: ([, parts]) => ['passed', 'failed'].map((what) => Number(new RegExp(`(\\d+) ${what}`).exec(parts)?.[1] ?? 0)),
  },
]

function run([command, ...args]) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0' } })
    let text = ''
    for (const [from, to] of [[child.stdout, process.stdout], [child.stderr, process.stderr]]) {
      from.on('data', (chunk) => {
        text += chunk
        to.write(chunk)
      })
    }
    child.on('error', (error) => resolve({ status: 1, text: String(error) }))
    child.on('close', (status) => resolve({ status: status ?? 1, text }))
  })
}

const chosen = process.argv.slice(2)
const unknown = chosen.filter((name) => !(name in steps))
if (unknown.length > 0) {
  console.error(`No step ${unknown.join(', ')}; there are: ${Object.keys(steps).join(', ')}.`)
  process.exit(2)
}

let [passed, failed] = [0, 0]
const broken = []
for (const name of chosen.length > 0 ? chosen : Object.keys(steps)) {
  console.log(`\n== ${name}: ${steps[name].join(' ')}`)
  const began = Date.now()
  const { status, text } = await run(steps[name])
  let failures = 0
  for (const line of text.split('\n')) {
    for (const { line: pattern, read } of counts) {
      const found = pattern.exec(line)
      if (!found) continue
      const [good, bad] = read(found)
      passed += good
      failures += bad
    }
  }
  // A step that fails without a failing test (it did not compile, say) counts as one.
  if (status !== 0) {
    failures ||= 1
    broken.push(name)
  }
  failed += failures
  console.log(`== ${name}: ${status === 0 ? 'ok' : 'FAILED'}, ${((Date.now() - began) / 1000).toFixed(0)} s`)
  if (status !== 0 && name === 'build') break
}
if (broken.length > 0) console.log(`\nfailed steps: ${broken.join(', ')}`)
console.log(`${passed} passed, ${failed} failed`)
process.exit(broken.length > 0 ? 1 : 0)
