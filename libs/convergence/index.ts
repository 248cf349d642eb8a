/** What to do about a migration that does not converge, and what one would take that has not begun. Pure. */
export { decide, type Decision } from './decide.js';
export { withStep } from './effects.js';
export type { Outlook } from './estimate.js';
export { predict, type GuestFigures } from './predict.js';
export { PRESETS, type Preset } from './presets.js';
export { type Sharer, shareLinks } from './share.js';
