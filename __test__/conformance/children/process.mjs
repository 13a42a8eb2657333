/** What a model means to the process it is in; the second argument says which part of it. */
import { generate } from '../../../dist/index.js'
import { asked, long, modelThreads, open, report, rss, sleep, threads, until } from './begin.mjs'

const [subject, part] = process.argv.slice(2)

const parts = {
  /** Ends with work going on. */
  async 'exit-in-stream'() {
    const model = await open(subject)
    let count = 0
    for await (const _ of generate(asked(model, 400))) {
      if (++count === 5) {
        report('exit')
        process.exit(7)
      }
    }
  },
  async 'exit-in-prefill'() {
    const model = await open(subject, { contextTokens: 4096 })
    for await (const _ of generate(asked(model, 5, { raw: long }))) {
      setTimeout(() => {
        report('exit')
        process.exit(7)
      }, 50)
    }
  },
  async 'exit-in-load'() {
    void open(subject)
    setTimeout(() => {
      report('exit')
      process.exit(7)
    }, 5)
  },
  async 'exit-in-close'() {
    const model = await open(subject, { contextTokens: 4096 })
    const run = generate(asked(model, 5, { raw: long })).collect().catch(() => {})
    await sleep(50)
    void model.close()
    report('exit')
    process.exit(7)
    await run
  },

  /** Ends by itself. */
  async idle() {
    const model = await open(subject)
    report(await generate(asked(model, 5)).text().collect())
  },
  async 'left-in-stream'() {
    const model = await open(subject)
    const reader = generate(asked(model, 400))[Symbol.asyncIterator]()
    report((await reader.next()).value.type)
  },
  async 'waits-for-what-is-asked'() {
    const model = await open(subject)
    void generate(asked(model, 100)).collect().then(({ usage }) => report(usage.completionTokens))
  },
  async 'comes-to-rest'() {
    const model = await open(subject)
    await generate(asked(model, 20)).collect()
    const reader = generate(asked(model, 400))[Symbol.asyncIterator]()
    await reader.next()
    // The queue fills first, and the pool's threads go to sleep.
    let cpuMs = Infinity
    for (let tries = 0; tries < 20 && cpuMs > 10; tries += 1) {
      const before = process.cpuUsage()
      await sleep(1000)
      const { user, system } = process.cpuUsage(before)
      cpuMs = (user + system) / 1000
      report(cpuMs)
    }
    await model.close()
  },

  /** Gives back what it took. */
  async 'loads-and-closes'() {
    const once = async () => {
      const model = await open(subject)
      await generate(asked(model, 3)).collect()
      await model.close()
    }
    // What JavaScript holds of closed models goes when it is collected, and back to the system at the next close.
    const settled = async () => {
      globalThis.gc()
      await new Promise((resolve) => setTimeout(resolve, 50))
      await once()
      await until(() => modelThreads() === 0)
    }
    for (let n = 0; n < 20; n += 1) await once()
    await settled()
    const before = { threads: threads().length, rss: rss() }
    for (let n = 0; n < 100; n += 1) {
      await once()
      if (n % 20 === 0) report(n)
    }
    await settled()
    report({ threads: threads().length - before.threads, models: modelThreads(), rss: rss() - before.rss })
  },
  async 'never-closes'() {
    const once = async (leave) => {
      const model = await open(subject)
      const reader = generate(asked(model, 400))[Symbol.asyncIterator]()
      await reader.next()
      if (leave) await reader.return()
    }
    const collected = () => until(() => (globalThis.gc(), modelThreads() === 0))
    for (let n = 0; n < 10; n += 1) await once(n % 2 === 0)
    report(await collected())
    const before = rss()
    for (let n = 0; n < 30; n += 1) await once(n % 2 === 0)
    report({ collected: await collected(), rss: rss() - before })
  },

  /** With a fault in every fourth step. */
  async panics() {
    // A step that fails with drafts is computed again without, and the fault would be over.
    const model = await open(subject, { draft: false })
    const answer = () => generate(asked(model, 2)).text().collect().catch((error) => error.code)
    report({ answers: [await answer(), await answer(), await answer(), await answer(), await answer(), await answer()] })
    const parts = []
    const run = generate(asked(model, 50))
    const code = await (async () => {
      for await (const part of run) parts.push(part.type)
    })().catch((error) => error.code)
    report({ parts, code })
    const beside = await Promise.allSettled([1, 2, 3, 4, 5, 6].map((seed) => generate(asked(model, 4, { seed })).collect()))
    report({ beside: beside.map(({ status, reason }) => reason?.code ?? status) })
    const other = () => model.evaluate([30, 31]).then(() => 'fulfilled', (error) => error.code)
    report({ others: [await other(), await other(), await other(), await other()] })
    await model.close()
    report({ models: (await until(() => modelThreads() === 0)) ? 0 : modelThreads() })
  },

  /** Everything that ends early, with nobody handling more than what it was given. */
  async 'ends-early'() {
    const model = await open(subject, { contextTokens: 4096 })
    const abort = new AbortController()
    const runs = [{}, { raw: long }, { signal: abort.signal }, { raw: { tokens: long.tokens.slice(9) }, signal: abort.signal }]
    const readers = runs.map((options) => generate(asked(model, 400, options))[Symbol.asyncIterator]())
    await Promise.all(readers.map((reader) => reader.next()))
    const pending = readers.map((reader) => reader.next().then(() => 'part', () => 'error'))
    await sleep(20)
    abort.abort(new Error('enough'))
    await readers[1].return()
    for await (const _ of generate(asked(model, 400))) break
    await generate(asked(model, 400)).text().collectOne()
    await generate(asked(model, 400)).toReadableStream().cancel()
    await generate(asked(model, 400, { maxTokens: -1 })).collectOrElse(() => {})
    await open(subject, { signal: AbortSignal.abort('no') }).catch(() => {})
    const fails = () => {
      throw new Error('a hook of the user')
    }
    await open(subject, { onProgress: fails }).catch(() => {})
    await open(subject, { log: { level: 'debug', write: fails } }).then((model) => model.close(), () => {})
    await model.prepare(long, { signal: AbortSignal.timeout(5) }).catch(() => {})
    const unread = generate(asked(model, 400)).toReadableStream().getReader()
    await unread.read()
    await model.close()
    await generate(asked(model, 5)).collect().catch(() => {})
    report((await Promise.all(pending)).length)
    await sleep(50)
  },
}

await parts[part]()
