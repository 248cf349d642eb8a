import { expect, test } from 'vitest';
import { cluster, limits, vm } from './cluster.fixture.js';
import { checkMove, checkPlacement, chooseDestination, driverFor, placeVm } from './index.js';

const qemu = (architecture: 'riscv64' | 'x86_64', accelerator: 'kvm' | 'tcg' = 'kvm', version = '8.2.1') =>
  ({ hypervisor: 'qemu', architecture, accelerator, version }) as const;
const own = { hypervisor: 'drover', architecture: 'riscv64', accelerator: 'drover', version: '1.0.0' } as const;
const x86 = { hypervisor: 'qemu', architecture: 'x86_64' } as const;
const none = { name: 'none' } as const;

test('a new VM starts where its hypervisor is', () => {
  const hosts = { h1: { drivers: [own] }, h2: { drivers: [own, qemu('riscv64')] }, h3: { drivers: [qemu('x86_64')] } };
  const facts = cluster(hosts, [vm('busy', 'h3', { cpuUsedCores: 3, ...x86 })]);
  const fresh = { id: 'new', name: 'new', labels: [], vcpus: 1, memoryMiB: 512 };
  expect(placeVm(facts, { ...fresh, ...x86 }, none, limits(2)).hostId).toBe('h3');
  expect(checkPlacement(facts, { ...fresh, ...x86 }, 'h2', none, limits(2))).toEqual({
    ok: false,
    reason: 'h2 has no QEMU for x86_64',
  });
  expect(checkPlacement(facts, fresh, 'h3', none, limits(2))).toEqual({
    ok: false,
    reason: 'h3 has no VMM of its own',
  });
});

test('a VM that runs goes on only by the same accelerator, and never on an older QEMU', () => {
  const running = vm('web', 'h1', { ...x86, runsOn: qemu('x86_64') });
  const hosts = {
    h1: { drivers: [qemu('x86_64')] },
    slow: { drivers: [qemu('x86_64', 'tcg')] },
    old: { drivers: [qemu('x86_64', 'kvm', '7.2.22')] },
    older: { drivers: [qemu('x86_64', 'kvm', '8.2')] },
    newer: { drivers: [qemu('x86_64', 'kvm', '10.0.0')] },
  };
  const facts = cluster(hosts, [running, vm('load', 'newer', { cpuUsedCores: 2 })]);
  const refused = (hostId: string) => checkMove(facts, running.id, hostId, limits(2));
  expect(refused('slow')).toEqual({
    ok: false,
    reason: 'slow executes x86_64 guests by tcg, the VM runs by kvm',
  });
  expect(refused('old')).toEqual({
    ok: false,
    reason: 'old has QEMU 7.2.22, older than the 8.2.1 that the VM runs on',
  });
  expect(refused('older').ok).toBe(false);
  expect(chooseDestination(facts, running.id, limits(2)).hostId).toBe('newer');
});

test('a VM goes to no host that does not give a guest so much memory', () => {
  const small = { ...own, maxMemoryMiB: 3584 };
  const large = { ...own, maxMemoryMiB: 15_872 };
  const sizes = { memoryMiB: 32_768 };
  const hosts = {
    h1: { drivers: [large], ...sizes },
    h2: { drivers: [small], ...sizes },
    h3: { drivers: [own, qemu('x86_64')], ...sizes },
    h4: { drivers: [large], ...sizes },
  };
  const running = vm('db', 'h1', { memoryMiB: 8192, runsOn: large });
  const facts = cluster(hosts, [running, vm('load', 'h4', { cpuUsedCores: 3 })]);
  expect(checkMove(facts, running.id, 'h2', limits(2))).toEqual({
    ok: false,
    reason: 'h2 gives guests up to 3584 MiB of memory, the VM needs 8192 MiB; with Node.js 24 or newer it gives more',
  });
  expect(checkMove(facts, running.id, 'h3', limits(2)).ok).toBe(false);
  expect(chooseDestination(facts, running.id, limits(2)).hostId).toBe('h4');
  const fresh = { id: 'new', name: 'new', labels: [], vcpus: 1, memoryMiB: 20_000 };
  expect(placeVm(facts, fresh, none, limits(2)).hostId).toBeNull();
  expect(placeVm(facts, { ...fresh, ...x86 }, none, limits(2)).hostId).toBe('h3');
});

test("a VM on Drover's own VMM minds no version; hosts that tell of nothing have that VMM", () => {
  const facts = cluster({ h1: {}, h2: { drivers: [own] } }, [
    vm('web', 'h1', { runsOn: { ...own, version: '2.0.0' } }),
  ]);
  expect(checkMove(facts, 'id-of-web', 'h2', limits(2))).toEqual({ ok: true });
  expect(driverFor(undefined, {})).toMatchObject({ hypervisor: 'drover', architecture: 'riscv64' });
  expect(driverFor([], {})).toBeNull();
});
