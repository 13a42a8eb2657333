import { describe, expect, it } from 'vitest'
import { ENGINES, HELP, MEASURES, readOptions, UsageError } from '../../bench/pure/options.mjs'

const read = (line: string) => readOptions(line.split(' ').filter(Boolean))

describe('the command line of the bench', () => {
  it('measures everything by default', () => {
    expect(read('')).toEqual({
      only: MEASURES,
      files: undefined,
      engines: ENGINES,
      threads: [1, 2],
      prompts: undefined,
      rounds: 3,
      seconds: 40,
      cpu: 'avx2',
      under: [],
      json: undefined,
      small: false,
    })
  })

  it('takes what is asked for, in the order it is measured', () => {
    const line = '--only decode,prefill --file tinyllama-q4_k_m,x.gguf --engines llama.cpp,wick --threads 4 --prompt 64,128 --rounds 5 --seconds 9 --cpu native --json out.json'
    expect(readOptions([...line.split(' '), '--under', 'chrt -f 10'])).toEqual({
      only: ['prefill', 'decode'],
      files: ['tinyllama-q4_k_m', 'x.gguf'],
      engines: ['wick', 'llama.cpp'],
      threads: [4],
      prompts: [64, 128],
      rounds: 5,
      seconds: 9,
      cpu: 'native',
      under: ['chrt', '-f', '10'],
      json: 'out.json',
      small: false,
    })
  })

  it('changes what the smoke would measure', () => {
    expect(read('--smoke')).toMatchObject({ engines: ['wick'], rounds: 1, threads: [1], prompts: [64], small: true })
    expect(read('--smoke --threads 2')).toMatchObject({ engines: ['wick'], threads: [2] })
  })

  it.each(['help', 'help-files'])('is asked for --%s before anything else', (flag) => {
    expect(read(`--${flag} --threads 1`)).toBe(flag)
  })

  it.each([
    ['--only everything', /--only has everything; it takes bandwidth, prefill/],
    ['--engines ,', /--engines has nothing/],
    ['--threads 0', /--threads is 0; it takes whole numbers from 1/],
    ['--threads 1,two', /--threads is two/],
    ['--prompt 1.5', /--prompt is 1.5/],
    ['--rounds -1', /--rounds/],
    ['--cpu avx512', /--cpu is avx512; it takes avx2 or native/],
    ['--fast', /Unknown option '--fast'.*--help/],
    ['decode', /decode.*--help/],
  ])('refuses %s', (line, message) => {
    expect(() => read(line)).toThrow(UsageError)
    expect(() => read(line)).toThrow(message)
  })

  it('is explained whole', () => {
    for (const word of [...MEASURES, ...ENGINES, '--only', '--file', '--threads', '--prompt', '--rounds', '--seconds', '--cpu', '--under', '--json', '--smoke']) {
      expect(HELP).toContain(word)
    }
  })
})
