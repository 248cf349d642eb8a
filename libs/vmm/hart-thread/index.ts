/** What the thread of a hart needs of this library, and no more: each thread keeps what it loads in a heap of its own. */
export { runHart, type HartThread } from '../hart-loop.js';
export type { TranslatedModule } from '../translator/translator.js';
