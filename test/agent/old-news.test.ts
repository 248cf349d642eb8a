/** What may not be concluded from old news, or from none. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Hypervisor, OutgoingFigures, VmProcess } from '#hypervisor';
import { HostCredentials } from '../../apps/agent/certificates/host-credentials.js';
import { createLog } from '../../apps/agent/log.js';
import { Converger } from '../../apps/agent/migration/convergence/converger.js';
import { MigrationLog } from '../../apps/agent/migration/migration-log.js';
import { MigrationRecord, newMigrationRecord } from '../../apps/agent/migration/migration-record.js';
import { Passages } from '../../apps/agent/migration/passages.js';
import { OutgoingMigrations } from '../../apps/agent/migration/outgoing.js';
import { JsonStore } from '../../apps/agent/state/json-store.js';
import { DiskFiles } from '../../apps/agent/vms/disk-files.js';
import { VmOrders } from '../../apps/agent/vms/vm-orders.js';
import { VmRecord } from '../../apps/agent/vms/vm-record.js';
import { Checkpoints } from '../../apps/agent/vms/checkpoints.js';
import { VmTable } from '../../apps/agent/vms/vm-table.js';
import { VmTransfers } from '../../apps/agent/vms/vm-transfers.js';

const VM_ID = '00000000-0000-4000-8000-000000000002';
const MIGRATION_ID = '00000000-0000-4000-8000-000000000001';
const spec = { name: 'web-1', vcpus: 1, memoryMiB: 64, image: 'pager', append: '', nics: [], disks: [] };
const handle = { pid: 1, startTime: '1', qmpSocket: '', consoleLog: '', consoleInput: '', log: '' };

function host() {
  const dir = mkdtempSync(join(tmpdir(), 'drover-agent-'));
  const log = createLog('silent');
  const kill = vi.fn<Hypervisor['kill']>();
  const hypervisor = { isAlive: () => true, kill } as unknown as Hypervisor;
  const folders = { images: [dir], vms: dir, runtime: dir };
  const noPorts = { plug: () => Promise.resolve(), unplug: () => Promise.resolve() };
  const onDamage = (file: string, reason: string) => expect.fail(`${file}: ${reason}`);
  const vms = new VmTable(
    JsonStore.open(join(dir, 'vms'), VmRecord, onDamage),
    { of: () => hypervisor },
    folders,
    noPorts,
    new DiskFiles(dir, [dir]),
    log,
  );
  const checkpoints = new Checkpoints(dir, log);
  const transfers = new VmTransfers(vms, checkpoints, 1024, log);
  const store = JsonStore.open(join(dir, 'migrations'), MigrationRecord, onDamage);
  const outgoing = new OutgoingMigrations({
    ...{ store, vms, transfers, checkpoints, log },
    passages: new Passages(vms, HostCredentials.open(dir), log),
    converger: new Converger(),
    heardAtMs: Date.now,
    migrationLog: new MigrationLog(),
  });
  return { vms, transfers, store, outgoing, orders: new VmOrders(vms, transfers, log), kill };
}

/** A VM that waits for its memory. */
const incoming = {
  migrationId: MIGRATION_ID,
  uri: 'tcp:h:1',
  nbd: null,
  tunnelPorts: null,
  madeDisks: [],
  offlineVcpus: [],
};

test('a cancelled migration waits until the process says how far it is', async () => {
  const { vms, store, outgoing } = host();
  onTestFinished(() => outgoing.close());
  vms.create(VM_ID, 4, spec, { phase: 'running', leaving: MIGRATION_ID, process: handle });
  const destination = { hostId: VM_ID, hostName: 'host-2', agentUrl: 'http://127.0.0.1:1', ticket: 'x' };
  const limits = {
    downtimeLimitMs: 300,
    bandwidthMiBps: null,
    timeoutSeconds: 600,
    encrypted: false,
    tunnelled: false,
  };
  const convergence = { mode: 'predictive', means: [], deadlineSeconds: 120 } as const;
  const ids = { migrationId: MIGRATION_ID, vmId: VM_ID, sourceEpoch: 4, epoch: 5 };
  const record = newMigrationRecord(
    {
      ...{ kind: 'migrate', ...ids, spec, destination, ...limits },
      convergence: { ...convergence, means: [] },
      decideAloneAfterSeconds: 10,
      checkpointLimitMiB: 0,
    },
    new Date().toISOString(),
  );
  store.put(MIGRATION_ID, { ...record, phase: 'perform', uri: 'tcp:h:1', cancel: 'cancelled' });
  const process = vi.spyOn(vms, 'process').mockReturnValue(undefined);
  outgoing.resumeAll();
  await vi.waitFor(() => expect(process).toHaveBeenCalled(), { timeout: 90_000 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(store.get(MIGRATION_ID)).toMatchObject({ phase: 'perform', error: null });

  const figures = { migrationId: MIGRATION_ID, status: 'completed', isConfirmed: false, iterations: [] };
  const queryMigration = () => Promise.resolve(figures as unknown as OutgoingFigures);
  process.mockReturnValue({ handle, queryMigration, onMigration: () => undefined } as unknown as VmProcess);
  await vi.waitFor(() => expect(store.get(MIGRATION_ID)?.phase).toBe('finish'), { timeout: 90_000 });
});

test('a VM that may have arrived is not thrown away', async () => {
  const { vms, transfers, kill } = host();
  vms.create(VM_ID, 5, spec, { phase: 'incoming', incoming, process: handle });
  await expect(transfers.discard(VM_ID, MIGRATION_ID, 'given up')).rejects.toMatchObject({ code: 'not_ready' });
  expect(kill).not.toHaveBeenCalled();
  expect(vms.record(VM_ID)?.phase).toBe('incoming');
});

test('the end that was ordered of a VM that waits does not hit the one that has arrived meanwhile', async () => {
  const { vms, orders } = host();
  const queryIncoming = () => Promise.resolve({ status: 'running', message: '' });
  vms.create(VM_ID, 5, spec, { phase: 'incoming', incoming, process: handle });
  const process = vi.spyOn(vms, 'process').mockReturnValue({ queryIncoming } as unknown as VmProcess);
  await orders.destroy(VM_ID, 5, 'incoming');
  expect(vms.record(VM_ID)?.phase).toBe('running');
  process.mockReturnValue(undefined);
  await orders.destroy(VM_ID, 5, 'up');
  expect(vms.record(VM_ID)?.phase).toBe('gone');
});

test('the end that was ordered of a VM that waits does not hit one that has everything by now', async () => {
  const { vms, orders, kill } = host();
  const queryIncoming = () => Promise.resolve({ status: 'loaded', message: '' });
  vms.create(VM_ID, 5, spec, { phase: 'incoming', incoming, process: handle });
  vi.spyOn(vms, 'process').mockReturnValue({ queryIncoming } as unknown as VmProcess);
  await orders.destroy(VM_ID, 5, 'incoming');
  expect(vms.record(VM_ID)?.phase).toBe('incoming');
  expect(kill).not.toHaveBeenCalled();
});

test('a VM that left is known for a day, against orders of its time, and then forgotten', async () => {
  const { vms, orders } = host();
  const dayMs = 24 * 3_600_000;
  vms.create(VM_ID, 5, spec, { phase: 'running' });
  await vms.forgetGone(Date.now() + 2 * dayMs);
  expect(vms.record(VM_ID)?.phase).toBe('running');
  vms.update(VM_ID, { phase: 'gone' });
  await vms.forgetGone(Date.now() + dayMs / 2);
  await orders.start(VM_ID, 4, spec);
  expect(vms.record(VM_ID)).toMatchObject({ phase: 'gone', epoch: 5 });
  await vms.forgetGone(Date.now() + dayMs + 60_000);
  expect(vms.record(VM_ID)).toBeUndefined();
});
