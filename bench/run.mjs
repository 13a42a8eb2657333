/** What one run of the bench gathers. */
import { figure } from './pure/table.mjs'

/**
 * @typedef {object} Figure
 * @property {string} measure
 * @property {import('./files.mjs').ModelFile} [file]
 * @property {number} [threads]
 * @property {string} engine
 * @property {object} [variant]
 * @property {string} unit
 * @property {boolean} [less] whether less is better
 * @property {number[]} values one a round
 * @property {number} median
 */

export class Run {
  /** @type {Figure[]} */
  figures = []
  /** What engines say of themselves, by name. */
  engineFacts = {}
  salts = { next: 0 }

  /** @param {import('./pure/options.mjs').Options} options */
  constructor(options) {
    this.options = options
  }

  /** The same run under other options: what it measures is in both. */
  with(options) {
    return Object.assign(Object.create(this), { options: { ...this.options, ...options } })
  }

  /** @param {Figure} value */
  add(value) {
    this.figures.push(value)
  }

  facts(engine, facts) {
    this.engineFacts[engine] = facts
  }

  /** Numbers no two prompts of a run share. */
  salt() {
    return this.salts.next++
  }

  /** Tells who waits what was just measured. */
  progress({ measure, file, threads, unit }, engine, variant, value) {
    const at = [file?.name, threads && `${threads} ${threads === 1 ? 'thread' : 'threads'}`].filter(Boolean).join(', ')
    console.error(`${measure}${at && ` · ${at}`} · ${[engine, variantText(variant)].filter(Boolean).join(', ')}: ${figure(value)} ${unit}`)
  }
}

/** A variant in a word or two. */
export function variantText(variant) {
  return variant ? `fa ${variant.flashAttention ? 'on' : 'off'}, ub ${variant.batchSize}` : ''
}
