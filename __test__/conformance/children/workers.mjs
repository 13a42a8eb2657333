/** Models in worker threads; the second argument says what becomes of them. */
import { once } from 'node:events'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { generate } from '../../../dist/index.js'
import { asked, long, modelThreads, open, report, sleep, until } from './begin.mjs'

const here = new URL(import.meta.url)

/** A worker that does what `job` says; its messages so far, and its end. */
function worker(subject, job) {
  const thread = new Worker(here, { workerData: { subject, job } })
  const said = []
  thread.on('message', (message) => said.push(message))
  const ended = new Promise((resolve) => {
    thread.on('error', (error) => resolve({ error: String(error) }))
    thread.on('exit', (code) => resolve({ code, said }))
  })
  const says = async (count) => {
    while (said.length < count) await once(thread, 'message')
  }
  return { thread, said, ended, says }
}

/** What a worker does. */
const jobs = {
  /** Answers and leaves the model open. */
  async answer(subject) {
    const model = await open(subject)
    parentPort.postMessage(await generate(asked(model, 10)).text().collect())
  },
  async 'answer and close'(subject) {
    const model = await open(subject)
    parentPort.postMessage(await generate(asked(model, 10)).text().collect())
    await model.close()
  },
  /** Answers, and does not stop. */
  async stream(subject) {
    const model = await open(subject, { contextTokens: 4096 })
    for await (const part of generate(asked(model, 3000))) parentPort.postMessage(part.type)
  },
  async prefill(subject) {
    const model = await open(subject, { contextTokens: 4096 })
    for await (const part of generate(asked(model, 3000, { raw: long }))) parentPort.postMessage(part.type)
  },
  /** Ends itself, with work going on. */
  async exit(subject) {
    const model = await open(subject)
    let count = 0
    for await (const _ of generate(asked(model, 400))) if (++count === 5) process.exit(3)
  },
  /** Everything at once, until it is ended from outside. */
  async busy(subject) {
    for (;;) {
      const model = await open(subject, { onProgress() {}, log: { level: 'debug', write() {} } })
      void model.prepare({ text: 'On the way' }).catch(() => {})
      void model.evaluate([30, 31, 32]).catch(() => {})
      for await (const _ of generate(asked(model, 5))) parentPort.postMessage('part')
      await model.close()
    }
  },
}

/** What the main thread makes of it. */
const scenes = {
  async 'terminates one in its stream'(subject) {
    const own = await open(subject)
    const expected = await generate(asked(own, 60)).text().collect()
    for (const job of ['stream', 'prefill']) {
      const { thread, says } = worker(subject, job)
      await says(job === 'stream' ? 5 : 1)
      const running = generate(asked(own, 60)).text().collect()
      await thread.terminate()
      report({ same: (await running) === expected })
    }
    report({ models: (await until(() => modelThreads() === 1)) ? 1 : modelThreads() })
    await own.close()
  },
  async 'loads in workers alone'(subject) {
    for (const job of ['answer', 'answer and close', 'exit']) report(await worker(subject, job).ended)
    report({ models: (await until(() => modelThreads() === 0)) ? 0 : modelThreads() })
  },
  async 'runs several at once'(subject) {
    const own = await open(subject)
    const workers = [1, 2, 3, 4].map(() => worker(subject, 'answer and close'))
    const expected = await generate(asked(own, 10)).text().collect()
    const all = await Promise.all(workers.map(({ ended }) => ended))
    report({ same: all.map(({ said }) => said?.length === 1 && said[0] === expected), codes: all.map(({ code }) => code) })
    await own.close()
  },
  async 'terminates them at any moment'(subject) {
    for (let round = 0; round < 6; round += 1) {
      const workers = [0, 1].map(() => worker(subject, 'busy'))
      // From before the addon is loaded to after a few models were closed.
      await sleep(25 + 45 * round)
      await Promise.all(workers.map(({ thread }) => thread.terminate()))
      report({ round })
    }
    report({ models: (await until(() => modelThreads() === 0)) ? 0 : modelThreads() })
  },
  async 'ends the process with workers at work'(subject) {
    const workers = [worker(subject, 'stream'), worker(subject, 'prefill')]
    await Promise.all([workers[0].says(5), workers[1].says(1)])
    report('exit')
    process.exit(7)
  },
}

if (isMainThread) {
  const [subject, scene] = process.argv.slice(2)
  await scenes[scene](subject)
} else {
  const { subject, job } = workerData
  await jobs[job](subject)
}
