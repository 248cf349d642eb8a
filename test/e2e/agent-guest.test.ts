/** A Linux guest with its agent, on hosts with real agents: what it says of itself is told, and it is shut down in order. */
import { randomUUID } from 'node:crypto';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AgentProcess } from '../agent/agent-process.js';
import { eventually, type StartJob, TwoHosts } from '../agent/two-hosts.js';
import { step } from '../agent/step.js';
import { hasLinux, LINUX } from '../vmm/linux.js';

/** Says which of its vCPUs are there. */
const BACKGROUND = 'while sleep 0.5; do echo online=$(cat /sys/devices/system/cpu/online) at=$((n = n + 1)); done';
/** So slow that the first pass lasts until somebody says otherwise. */
const SLOW = {
  ...{ bandwidthMiBps: 1, timeoutSeconds: 240 },
  convergence: { means: [{ means: 'offline_vcpus' as const }], deadlineSeconds: 240 },
};

/** An emulated machine boots for a while, and longer beside other tests. */
const BOOT_MS = 180_000;

describe.runIf(hasLinux('the tests of a Linux guest with its agent'))('a Linux guest', () => {
  let hosts: TwoHosts;
  beforeAll(async () => void (hosts = await TwoHosts.start({ DROVER_IMAGES_DIR: dirname(dirname(LINUX.kernel)) })));
  afterAll(() => hosts?.stop());

  test(
    'says who and where it is, goes without a vCPU while it is moved, and shuts down when it is asked',
    { timeout: 300_000 },
    async () => {
      const { a, b, controller } = hosts;
      const nics = [{ network: 'default', mac: '52:54:00:00:00:09' }];
      const append = `quiet address=10.0.0.9/24 background="${BACKGROUND}"`;
      const spec = { name: 'linux-1', vcpus: 2, memoryMiB: 192, image: 'linux', append, nics, disks: [] };
      const vm: StartJob = { kind: 'start', vmId: randomUUID(), epoch: 1, spec };
      const expectGuest = (agent: AgentProcess) =>
        eventually(() => {
          const told = agent.host.vm(vm.vmId);
          expect(told?.status, told?.message).toBe('up');
          expect(told?.guest, told?.consoleTail).toEqual({ hostName: null, ipAddresses: ['10.0.0.9'] });
        }, BOOT_MS);

      /** Which of its vCPUs are there, as the guest says; of what it says from now on. */
      const expectOnline = async (agent: AgentProcess, cpus: string) => {
        const lines = () => agent.host.vm(vm.vmId)?.consoleTail.match(/^online=[\d,-]+ at=\d+/gm) ?? [];
        const before = new Set(await eventually(() => lines()));
        await eventually(() => {
          expect(
            lines()
              .filter((line) => !before.has(line))
              .at(-1) ?? 'nothing',
            agent.host.vm(vm.vmId)?.consoleTail,
          ).toMatch(new RegExp(`^online=${cpus} `));
        }, 90_000);
      };
      /** As the controller decides. */
      const takesOneAway = async (id: string) => {
        a.host.answer = { ...a.host.answer, steps: [step(id, 1, 'offline_vcpus', 1)] };
        await eventually(() => {
          const decisions = a.host.last.migrations.find((each) => each.migrationId === id)?.decisions;
          expect(decisions).toMatchObject([{ means: 'offline_vcpus', failure: null }]);
        }, 90_000);
        a.host.answer = { ...a.host.answer, steps: [] };
      };

      await controller.order(a.host, vm);
      await expectGuest(a);
      await expectOnline(a, '0-1');

      const [cancelled, migrationId] = [randomUUID(), randomUUID()];
      await controller.order(a.host, a.migrateTo(b, vm, cancelled, SLOW));
      await takesOneAway(cancelled);
      await expectOnline(a, '0');
      expect((await a.request('POST', `/v1/migrations/${cancelled}/cancel`)).status).toBe(202);
      await expectOnline(a, '0-1');
      await controller.order(a.host, a.migrateTo(b, vm, migrationId, { ...SLOW, epoch: 3 }));
      await takesOneAway(migrationId);
      await expectOnline(a, '0');
      const quickly = { bandwidthMiBps: null };
      expect((await a.request('PATCH', `/v1/migrations/${migrationId}/parameters`, quickly)).status).toBe(200);
      await expectGuest(b);
      await expectOnline(b, '0-1');
      await controller.order(b.host, { kind: 'stop', vmId: vm.vmId, epoch: 3, mode: 'shutdown' });
      await eventually(() => {
        expect(b.host.vm(vm.vmId)).toMatchObject({
          status: 'down',
          exitCode: 0,
          message: 'the guest ended with status 0',
        });
      }, 90_000);
    },
  );
});
