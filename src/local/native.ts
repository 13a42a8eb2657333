/** What the addon exports. Types only: `addon.ts` loads it. */
export type * from '../../index.js'
