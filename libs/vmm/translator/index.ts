/** What the translator's thread needs of this library, and no more: each thread keeps what it loads in a heap of its own. */
export { runTranslator } from './translator-loop.js';
