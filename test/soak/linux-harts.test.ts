/** Linux on as many harts as the board has room for. */
import { expect, test } from 'vitest';
import { hasLinux, LinuxVm } from '../vmm/linux.js';

const HARTS = 16;

test.runIf(hasLinux('Linux on sixteen harts'))(
  'Linux boots and computes on sixteen harts',
  async () => {
    const work = `for i in $(seq ${HARTS}); do (seq 20000 | sha256sum) & done; wait`;
    const vm = await LinuxVm.start({ harts: HARTS, append: `quiet -- sh -c "nproc; ${work}; exit 7"` });
    expect(await vm.vmm.ended).toBe(7);
    const lines = vm.console.split(/\r?\n/);
    expect(lines).toContain(String(HARTS));
    const sums = lines.filter((line) => /^[0-9a-f]{64} {2}-$/.test(line));
    expect(sums).toHaveLength(HARTS);
    expect(new Set(sums).size).toBe(1);
  },
  600_000,
);
