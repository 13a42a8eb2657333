import { describe, expect, it } from 'vitest'
import { isWickError } from '../../src/index.js'
import { addonMissing } from '../../src/local/addon.js'

describe('the addon that is not there', () => {
  it('is unsupported, with the platform, what was tried and what to do', () => {
    // What napi's loader throws: what it tried is a chain of causes.
    const missing = new Error("Cannot find module 'wick-linux-x64-gnu'\nRequire stack:\n- /index.js")
    const local = new Error('./wick.linux-x64-gnu.node: version GLIBC_2.99 not found', { cause: missing })
    const thrown = new Error('Cannot find native binding.', { cause: local })
    const error = addonMissing(thrown)
    expect(isWickError(error, 'unsupported')).toBe(true)
    expect(error.cause).toBe(thrown)
    expect(error.message).toContain(`for ${process.platform}-${process.arch}`)
    expect(error.message).toContain('npm install --include=optional')
    expect(error.message).toContain('\n  - ./wick.linux-x64-gnu.node: version GLIBC_2.99 not found')
    expect(error.message).toContain("\n  - Cannot find module 'wick-linux-x64-gnu'")
    expect(error.message).not.toContain('Require stack')
  })
})
