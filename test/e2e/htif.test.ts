/** Programs that speak by tohost, as processes: in halves, by atomic operations, and across a migration. */
import { expect, test } from 'vitest';
import { htifTicker } from '../vmm/guests.js';
import { elfFile } from '../vmm/elf-file.js';
import { moveGuest } from '../vmm/move.js';
import { VmmProcess } from '../vmm/process.js';

const MACHINE = ['-m', '16M', '-bios', 'none'];
const BASE = 0x8000_0000;
const TOHOST = 0x8000_1000;
const DOTS = 30;

test.each(['halves', 'atomics'] as const)(
  'a program that speaks in %s is heard to its end, here and elsewhere',
  async (how) => {
    const content = new Uint8Array(TOHOST + 8 - BASE);
    content.set(htifTicker(BigInt(TOHOST), how, DOTS, 7));
    const image = elfFile(content, BASE, { tohost: TOHOST });
    const source = new VmmProcess(image, MACHINE);
    const qmp = await source.connect();
    await source.waitForPrinted('..');
    await qmp.execute('stop'); // so that it does not end before it is moved
    const { vmm, qmp: there } = await moveGuest(qmp, MACHINE);
    await there.execute('cont');
    expect(await vmm.ended).toBe(7);
    expect(source.printed() + vmm.printed()).toBe('.'.repeat(DOTS));
  },
);
