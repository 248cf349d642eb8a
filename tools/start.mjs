/** `npm start`: sets up what is missing, then runs the demo datacenter until Ctrl-C. */
import { setUp } from './set-up.mjs';

setUp({ quiet: false });
const { runDemo } = await import('../dist/tools/demo.js');
await runDemo();
