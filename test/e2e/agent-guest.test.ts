/** A Linux guest with its agent, on hosts with real agents: what it says of itself is told, and it is shut down in order. */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentProcess } from '../agent/agent-process.js';
import { eventually, type StartJob, TwoHosts } from '../agent/two-hosts.js';
import { hasLinux, LINUX } from '../vmm/linux.js';

/** An emulated machine boots for a while, and longer beside other tests. */
const BOOT_MS = 180_000;

describe.runIf(hasLinux('the tests of a Linux guest with its agent'))('a Linux guest', () => {
  let hosts: TwoHosts;
  beforeAll(async () => void (hosts = await TwoHosts.start({ DROVER_IMAGES_DIR: dirname(dirname(LINUX.kernel)) })));
  afterAll(() => hosts?.stop());

  test(
    'says who and where it is, also after a move, and shuts down when it is asked',
    { timeout: 300_000 },
    async () => {
      const { a, b, controller } = hosts;
      const nics = [{ network: 'default', mac: '52:54:00:00:00:09' }];
      const append = 'quiet address=10.0.0.9/24';
      const spec = { name: 'linux-1', vcpus: 1, memoryMiB: 192, image: 'linux', append, nics, disks: [] };
      const vm: StartJob = { kind: 'start', vmId: randomUUID(), epoch: 1, spec };
      const expectGuest = (agent: AgentProcess) =>
        eventually(() => {
          const told = agent.host.vm(vm.vmId);
          expect(told?.status, told?.message).toBe('up');
          expect(told?.guest, told?.consoleTail).toEqual({ hostName: null, ipAddresses: ['10.0.0.9'] });
        }, BOOT_MS);

      await controller.order(a.host, vm);
      await expectGuest(a);
      await controller.order(a.host, a.migrateTo(b, vm, randomUUID()));
      await expectGuest(b);
      await controller.order(b.host, { kind: 'stop', vmId: vm.vmId, epoch: 2, mode: 'shutdown' });
      await eventually(() => {
        expect(b.host.vm(vm.vmId)).toMatchObject({
          status: 'down',
          exitCode: 0,
          message: 'the guest ended with status 0',
        });
      }, 60_000);
    },
  );
});
