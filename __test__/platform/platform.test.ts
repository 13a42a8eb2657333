import { existsSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { packageFile, platformName, setEnvironment } from '../../src/platform/index.js'

describe('platform', () => {
  it('finds files of the package from its root', () => {
    expect(existsSync(packageFile('package.json'))).toBe(true)
  })

  it('names the platform as packages are named', () => {
    expect(platformName()).toMatch(/^(linux-(x64|arm64)-(gnu|musl)|darwin-(x64|arm64)|win32-(x64|arm64))$/)
  })

  it('sets environment variables', () => {
    setEnvironment({ WICK_TEST_VARIABLE: '7' })
    expect(process.env['WICK_TEST_VARIABLE']).toBe('7')
    delete process.env['WICK_TEST_VARIABLE']
  })
})
