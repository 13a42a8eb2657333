/** `Run`, and what it is made of. */
export { onAbort, unlessAborted } from './abort.js'
export { Run } from './run.js'
export type { Fold, RunRecipe } from './run.js'
export { until } from './views.js'
