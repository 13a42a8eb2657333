/** A model whose file is changed under it; the argument says how. */
import { copyFileSync, mkdtempSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generate, load } from '../../../dist/index.js'
import { asked, report } from './begin.mjs'

const fixture = new URL('../../fixtures/foreign/llama.f32.gguf', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'wick-changed-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

const changes = {
  cut: (file) => truncateSync(file, statSync(file).size >> 1),
  emptied: (file) => truncateSync(file, 0),
  overwritten: (file) => writeFileSync(file, Buffer.alloc(statSync(file).size, 0xa5), { flag: 'r+' }),
  deleted: (file) => rmSync(file),
  replaced(file) {
    writeFileSync(`${file}.new`, 'Another file.')
    renameSync(`${file}.new`, file)
  },
}

/** How an answer ended; heard from the start, because it may fail before it is waited for. */
const outcome = (answer) => answer.then(() => 'answered', (error) => error.code ?? String(error))

for (const backend of ['cpu', 'candle', 'reference']) {
  for (const running of [false, true]) {
    const file = join(folder, `${backend}-${running}.gguf`)
    copyFileSync(fixture, file)
    const model = await load(file, { backend })
    const run = running ? outcome(generate(asked(model, 200)).collect()) : 'answered'
    if (running) await generate(asked(model, 3)).collect()
    changes[process.argv[2]](file)
    const another = outcome(generate(asked(model, 20)).collect())
    report({ outcome: await run })
    report({ outcome: await another })
    await model.close()
  }
}
