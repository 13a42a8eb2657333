/**
 * Many users at a time, each with habits of their own: they abort, leave, read slowly, fork, save and restore, compute ahead, and ask
 * with different urgency, at random. Whatever they do, what they are told must be what a quiet run told.
 */
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { ask, begin } from './ask.mjs'
import { difference, differenceBefore } from './compare.mjs'

/** What is wrong with wick; the message says where it was seen. */
export class Failure extends Error {}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Users of one model. */
export class Crowd {
  /** How often what was done. */
  counts = {}
  #files = 0

  /**
   * @param {object} scene
   * @param {object} scene.model
   * @param {import('./lives.mjs').Life[]} scene.lives
   * @param {import('./ask.mjs').Outcome[][]} scene.quiet of each life its turns' outcomes
   * @param {string} scene.folder where sessions are saved
   * @param {number} scene.patienceMs what takes longer is stuck
   */
  constructor({ model, lives, quiet, folder, patienceMs }) {
    Object.assign(this, { model, lives, quiet, folder, patienceMs })
  }

  /**
   * `users` at a time, one life after another, until `endsAt` (of `performance.now()`); what has begun then is lived to its end.
   * Throws a Failure as soon as there is one.
   * @param {import('./random.mjs').Chance} random
   */
  async live(random, users, endsAt) {
    const user = async () => {
      while (performance.now() < endsAt) await this.#life(random, random.integer(0, this.lives.length - 1))
    }
    await Promise.all(Array.from({ length: users }, user))
  }

  async #life(random, at) {
    const life = this.lives[at]
    let subject = begin(this.model, life)
    for (const [index, turn] of life.turns.entries()) {
      const talk = life.kind === 'talk'
      const told = { turn, quiet: this.quiet[at][index], where: `life ${at} (${life.kind}), turn ${index}` }
      if (random.is(0.3)) subject = await this.#interrupted(random, subject, told)
      if (!talk && random.is(0.1)) await this.#prepared(random, told)
      if (talk && random.is(0.25)) subject = await this.#forked(random, subject, told)
      else await this.#asked(random, subject, told)
      if (talk && told.quiet.error === undefined && random.is(0.15)) subject = await this.#restored(random, subject, told)
    }
    this.#count('lives')
  }

  /** An answer that is read to its end, by some readers slowly. */
  async #asked(random, subject, { turn, quiet, where }, what = 'asked') {
    const slow = random.is(0.15)
    const onPart = slow ? (parts) => (parts % 40 === 0 ? pause(random.integer(1, 60)) : undefined) : undefined
    const seen = await this.#within(`${where}, ${what}`, ask(subject, turn, { onPart, priority: urgency(random) }))
    const wrong = difference(quiet, seen)
    if (wrong) throw new Failure(`${where}, ${what}: ${wrong}`)
    this.#count(what)
    if (slow) this.#count('read slowly')
    if (quiet.error) this.#count(`refused: ${quiet.error}`)
  }

  /** An answer that is aborted or left. The session must be what it was; one that was done before is gone on with as it was before. */
  async #interrupted(random, subject, { turn, quiet, where }) {
    const stop = new AbortController()
    const way = random.one(['aborted at a part', 'aborted at a time', 'left'])
    const last = random.integer(1, Math.max(2, quiet.ids.length))
    const onPart = (parts) => {
      if (parts < last || way === 'aborted at a time') return true
      if (way === 'aborted at a part') stop.abort()
      return way !== 'left'
    }
    const [before, past] = [subject.fork?.() ?? subject, subject.messages]
    const timer = way === 'aborted at a time' && setTimeout(() => stop.abort(), random.integer(0, 30))
    const seen = await this.#within(`${where}, ${way}`, ask(subject, turn, { signal: stop.signal, onPart, priority: urgency(random) }))
    clearTimeout(timer)
    const cut = seen.left || (stop.signal.aborted && seen.thrown === stop.signal.reason)
    const wrong = cut ? differenceBefore(quiet, seen) : difference(quiet, seen)
    if (wrong) throw new Failure(`${where}, ${way}: ${wrong}`)
    this.#count(cut ? way : 'done before it was aborted')
    if (!seen.reason && past !== subject.messages) throw new Failure(`${where}, ${way}: the session is not what it was before`)
    return seen.reason ? before : subject
  }

  /** A prompt that is computed ahead, at times not to its end. */
  async #prepared(random, { turn, where }) {
    const stop = new AbortController()
    const timer = random.is(0.5) && setTimeout(() => stop.abort(), random.integer(0, 10))
    const prepared = this.model.prepare(turn.options.raw, { signal: stop.signal }).catch((error) => error)
    const error = await this.#within(`${where}, prepared`, prepared)
    clearTimeout(timer)
    if (error instanceof Error && error !== stop.signal.reason) throw new Failure(`${where}, prepared: ${error.message}`)
    this.#count('prepared')
  }

  /** The same asked of a session and its fork, at once; life goes on with either. */
  async #forked(random, subject, told) {
    const both = [subject, subject.fork()]
    await Promise.all(both.map((session) => this.#asked(random, session, told, 'forked')))
    return random.one(both)
  }

  /** The session as it comes back from a file; where the writing of it is aborted there is none, or a whole one. */
  async #restored(random, subject, { where }) {
    const stop = new AbortController()
    const path = join(this.folder, `session-${(this.#files += 1)}`)
    const timer = random.is(0.3) && setTimeout(() => stop.abort(), random.integer(0, 10))
    const error = await this.#within(`${where}, saved`, subject.save(path, { signal: stop.signal }).catch((error) => error))
    clearTimeout(timer)
    if (error !== undefined && error !== stop.signal.reason) throw new Failure(`${where}, saved: ${error.message}`)
    this.#count(error === undefined ? 'saved' : 'save aborted')
    if (!existsSync(path)) return subject
    const restored = await this.#within(`${where}, restored`, this.model.restore(path))
    await rm(path)
    if (JSON.stringify(restored.messages) !== JSON.stringify(subject.messages)) throw new Failure(`${where}, restored: other messages came back`)
    this.#count('restored')
    return restored
  }

  /** What `work` gives; a Failure where that takes too long. */
  async #within(where, work) {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Failure(`${where}: stuck for ${this.patienceMs / 1000} s; stats say ${JSON.stringify(this.model.stats())}`)), this.patienceMs)
    })
    try {
      return await Promise.race([work, late])
    } finally {
      clearTimeout(timer)
    }
  }

  #count(what) {
    this.counts[what] = (this.counts[what] ?? 0) + 1
  }
}

const urgency = (random) => (random.is(0.5) ? 0 : random.integer(-1, 2))
