/** The smallest and the largest VMs: memory is taken from the host when the guest uses it, and not before. */
import { readFileSync } from 'node:fs';
import { expect, test, vi } from 'vitest';
import { hasLongAddresses } from '#vmm';
import { lastBytes } from '../vmm/guests.js';
import { VmmProcess } from '../vmm/process.js';

/** The largest with 32-bit addresses, and one that needs 64-bit ones. */
const LARGEST_MIB = 3584;
const LONG_MIB = 5120;
const SMALLEST_MIB = 16;
/** What a VM may take beside the memory that its guest uses. */
const OVERHEAD_MIB = 100;
/** What a move may leave behind until the next garbage collection. */
const MOVE_MIB = 40;
const EVENTUALLY = { timeout: 90_000, interval: 20 };

/** What it takes of the host, without the pages of Node.js itself, which all VMs of a host share. */
const privateMiB = ({ pid }: VmmProcess) => {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s*(\d+) kB$/m.exec(status)![1]) / 1024;
};

test('a VM of 4 harts that idles takes little beside the memory that its guest uses', async () => {
  const vmm = new VmmProcess(lastBytes(SMALLEST_MIB), ['-m', `${SMALLEST_MIB}M`, '-smp', '4', '-bios', 'none']);
  await vmm.waitForPrinted('...');
  expect(privateMiB(vmm)).toBeLessThan(OVERHEAD_MIB);
});

if (!hasLongAddresses()) console.warn('not tested: VMs of more than 3,584 MiB, which need Node.js 24 or newer');

test.each([SMALLEST_MIB, LARGEST_MIB, ...(hasLongAddresses() ? [LONG_MIB] : [])])(
  'a VM of %i MiB takes no memory that it does not use, nor does a move of it',
  async (mebibytes) => {
    const size = ['-m', `${mebibytes}M`, '-bios', 'none'];
    const source = new VmmProcess(lastBytes(mebibytes), size);
    await source.waitForPrinted('...');
    expect(privateMiB(source)).toBeLessThan(OVERHEAD_MIB);

    const destination = new VmmProcess(undefined, ['-m', `${mebibytes}M`, '-incoming', 'tcp:127.0.0.1:0', '-S']);
    const [from, to] = [await source.connect(), await destination.connect()];
    const port = await vi.waitFor(async () => {
      const { 'socket-address': listening } = await to.execute<{ 'socket-address'?: { port: string }[] }>(
        'query-migrate',
      );
      return listening![0]!.port;
    }, EVENTUALLY);
    await from.execute('migrate', { uri: `tcp:127.0.0.1:${port}` });
    await vi.waitFor(
      async () => expect(await from.execute('query-migrate')).toMatchObject({ status: 'completed' }),
      EVENTUALLY,
    );
    expect(Math.max(privateMiB(source), privateMiB(destination))).toBeLessThan(OVERHEAD_MIB + MOVE_MIB);
    expect(await to.execute('x-drover-ram-hash')).toEqual(await from.execute('x-drover-ram-hash'));
    await to.execute('cont');
    await destination.waitForPrinted('...');
  },
);
