/** The thread of WritingMachine: a hart that does nothing but write, by the rules of the dirty log. */
import { workerData } from 'node:worker_threads';
import { serveAttention } from '../../dist/libs/vmm/attention.js';
import * as layout from '../../dist/libs/vmm/layout.js';
import { HartRest } from '../../dist/libs/vmm/throttle.js';
import { GuestMemory } from '../../dist/libs/vmm/memory.js';

const { control, pages, burstPauseMs } = workerData;
const RUN = 0;
const PARKED = 1;
const WRITES = 2;
const memory = new GuestMemory(workerData.memory);
const mayWrite = new Set();
const rest = new HartRest(memory, 0);
const wakeAt = (layout.HARTS + layout.H_WAKE) / 4;
const dirtiedAt = (layout.HARTS + layout.H_DIRTIED) / 4;
const quietAt = (layout.HARTS + layout.H_QUIET) / 4;
let random = 1;

function next(below) {
  random = (Math.imul(random, 1_664_525) + 1_013_904_223) | 0;
  return (random >>> 8) % below;
}

function write(page, offset, value) {
  if (!mayWrite.has(page)) {
    const bit = 1 << (page & 31);
    const before = Atomics.or(memory.words, layout.DIRTY / 4 + (page >>> 5), bit);
    if ((before & bit) === 0) memory.words[dirtiedAt] += 1;
    mayWrite.add(page);
  }
  memory.words[(layout.RAM + page * layout.PAGE_SIZE) / 4 + offset] = value;
}

function park() {
  Atomics.store(control, PARKED, 1);
  Atomics.store(memory.words, quietAt, layout.ATTENTION_FLUSH_WRITES);
  while (Atomics.load(control, RUN) === 0) Atomics.wait(control, RUN, 0);
  Atomics.store(memory.words, quietAt, 0);
  Atomics.store(control, PARKED, 0);
}

/** As a hart does that is slowed down: quiet, and awake for whoever asks. */
function restAsToldTo() {
  Atomics.store(memory.words, quietAt, -1);
  for (;;) {
    const seen = Atomics.load(memory.words, wakeAt);
    const ms = rest.leftMs(process.hrtime.bigint());
    if (ms <= 0 || Atomics.load(control, RUN) === 0) break;
    Atomics.wait(memory.words, wakeAt, seen, Math.min(ms, 10));
  }
  Atomics.store(memory.words, quietAt, 0);
}

for (let count = 1; ; count++) {
  const beganAt = process.hrtime.bigint();
  for (let i = 0; i < 64; i++) {
    // now and then a page becomes all zero again, so that zero pages replace others
    const page = next(pages);
    if (next(16) > 0) write(page, next(1024), count);
    else for (let offset = 0; offset < 1024; offset++) write(page, offset, 0);
  }
  Atomics.add(control, WRITES, 64);
  if (burstPauseMs > 0) Atomics.wait(control, 3, 0, burstPauseMs);
  rest.ran(process.hrtime.bigint() - beganAt);
  restAsToldTo();
  if (Atomics.load(control, RUN) === 0) park();
  serveAttention(memory, 0, () => mayWrite.clear());
}
