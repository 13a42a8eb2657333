import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['__test__/**/*.test.ts'],
    exclude: ['**/node_modules/**', '__test__/fixtures/**'],
    typecheck: { enabled: true, include: ['__test__/**/*.test-d.ts'], tsconfig: 'tsconfig.json' },
    // Tests load models and start the engine's threads: a process each, so that one that hangs or crashes says which it was.
    pool: 'forks',
    // The engine computes on every core it is given; files side by side would only wait for each other.
    fileParallelism: false,
    testTimeout: 20_000,
  },
})
