/** `npm run bench`: sets up what is missing, then measures; `-- --help` lists the options. */
import { fail, setUp } from './set-up.mjs';

setUp();
const { runBench } = await import('../dist/test/bench/main.js');
await runBench(process.argv.slice(2)).catch((error) => fail(error.message));
