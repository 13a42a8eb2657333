/** What a user waits for and pays before and beside the tokens: load, first token, memory. */
import { record } from '../contest.mjs'
import { hostedOf, openEngines, startEngine } from '../engines/open.mjs'

/** Load and first token, page cache warm, each time in a new process; what `import` takes is not in it. */
export async function load(run, file, threads) {
  const contestants = hostedOf(run).map((name) => ({
    engine: name,
    run: () => inProcess(run, name, async (engine) => (await engine.call('start', { file: file.path, vocab: file.vocab, threads, contextTokens: 512 })).ms),
  }))
  await record(run, { measure: 'load and first token', file, threads, unit: 'ms', less: true }, contestants)
}

/** Time to the first token of a loaded model, after a short prompt. */
export async function firstToken(run, file, threads) {
  const engines = await openEngines(run, file, { threads, contextTokens: 512 })
  const measure = async (engine) => (await engine.call('answer', { promptTokens: 16, vocab: file.vocab, count: 1, salt: run.salt() })).ms
  try {
    const contestants = engines.map((engine) => ({ engine: engine.name, run: () => measure(engine) }))
    await record(run, { measure: 'first token after 16', file, threads, unit: 'ms', less: true }, contestants)
  } finally {
    for (const engine of engines) await engine.end()
  }
}

/**
 * Resident memory of a process that holds the model and a window of 512 tokens and has answered; the file's mapped pages count.
 * What Node itself takes, with the engine imported and nothing loaded, is told apart.
 */
export async function memory(run, file, threads) {
  for (const name of hostedOf(run)) {
    await inProcess(run, name, async (engine) => {
      const before = await engine.call('memory')
      await engine.call('open', { file: file.path, threads, contextTokens: WINDOW })
      await engine.call('answer', { promptTokens: 257, vocab: file.vocab, count: 64, salt: run.salt() })
      const after = await engine.call('memory')
      const about = { file, threads, engine: name, unit: 'MB' }
      const add = (measure, bytes) => run.add({ ...about, measure, values: [bytes / 1e6], median: bytes / 1e6 })
      add('resident', after.resident)
      add('resident peak', after.peak)
      add('Node before the load', before.resident)
      run.progress({ measure: 'resident', ...about }, name, undefined, after.resident / 1e6)
    })
  }
}

/** Tokens of the window that memory is measured with. */
export const WINDOW = 512

async function inProcess(run, name, measure) {
  const engine = startEngine(run, name)
  try {
    return await measure(engine)
  } finally {
    await engine.end()
  }
}
