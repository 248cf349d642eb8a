/** A guest that has a device of the host: it lets it go, moves, and has one of the new host then (virtio failover). */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { parseMac } from '#network';
import type { QmpClient } from '#qmp';
import { Fabric } from '../../apps/agent/network/fabric.js';
import { VmmProcess } from '../vmm/process.js';
import { lastEchoLine } from './echo.js';

const ECHO = readFileSync(join(import.meta.dirname, '../../guests/echo.elf'));
const PATIENCE = { timeout: 90_000, interval: 50 };
const MAC = '52:54:00:00:00:01';

class Lan {
  private readonly folder = mkdtempSync(join(tmpdir(), 'drover-failover-'));
  private readonly fabric = new Fabric('h1', { nowMs: () => performance.now(), log: () => undefined });

  constructor() {
    onTestFinished(() => {
      this.fabric.close();
      rmSync(this.folder, { recursive: true });
    });
  }

  readonly migration = join(this.folder, 'migration');

  /** Options for a card at a port of its own. */
  async card(port: string, mac: string, device: string): Promise<string[]> {
    const path = join(this.folder, port);
    await this.fabric.plug({ id: port, path, network: 'lan', mac: parseMac(mac), isDialled: false, hasHeader: true });
    return [
      ...['-netdev', `stream,id=${port},addr.type=unix,addr.path=${path},server=off,vnet_hdr=on`],
      ...['-device', `virtio-net-device,netdev=${port},mac=${mac}${device}`],
    ];
  }

  /** A card that migrates, and one that is the host's. */
  async pair(host: string): Promise<string[]> {
    const standby = await this.card(`${host}-standby`, MAC, ',id=net0,failover=on');
    return [...standby, ...(await this.card(`${host}-primary`, MAC, ',id=fast0,failover_pair_id=net0'))];
  }

  async peer(): Promise<VmmProcess> {
    const card = await this.card('peer', '52:54:00:00:00:02', '');
    return new VmmProcess(ECHO, ['-m', '16M', '-append', 'ip=10.0.0.2', ...card]);
  }
}

async function start(lan: Lan, append = '') {
  const parameters = `ip=10.0.0.1 peer=10.0.0.2 interval_ms=5 line_ms=50 ${append}`;
  const vmm = new VmmProcess(ECHO, ['-m', '16M', '-append', parameters, ...(await lan.pair('here'))]);
  await hasPrimary(vmm);
  return { vmm, qmp: await vmm.connect() };
}

/** It runs, has a device of the host, and is answered by it. */
const hasPrimary = (vmm: VmmProcess) =>
  vi.waitFor(async () => {
    expect(lastEchoLine(vmm.printed()).primary).toBe(1);
    const { answered } = lastEchoLine(vmm.printed());
    await vi.waitFor(() => expect(lastEchoLine(vmm.printed()).answered).toBeGreaterThan(answered + 20), PATIENCE);
  }, PATIENCE);

const migrationEnd = (qmp: QmpClient) =>
  vi.waitFor(async () => {
    const answer = await qmp.execute<{ status: string; 'x-drover': object }>('query-migrate');
    expect(['completed', 'failed', 'cancelled']).toContain(answer.status);
    return answer;
  }, PATIENCE);

test('the guest lets it go, moves, and is given the one of the new host; it is answered all the time', async () => {
  const lan = new Lan();
  await lan.peer();
  const { vmm, qmp } = await start(lan);
  const arrived = new VmmProcess(undefined, [
    ...['-m', '16M', '-incoming', `unix:${lan.migration}`],
    ...(await lan.pair('there')),
  ]);
  const there = await arrived.connect();
  const events: string[] = [];
  qmp.onEvent(({ event, data }) =>
    events.push(`${event} ${String(data?.status ?? data?.['device-id'] ?? data?.device)}`),
  );
  const negotiated = there.nextEvent('FAILOVER_NEGOTIATED');
  const before = lastEchoLine(vmm.printed());
  await qmp.execute('migrate', { uri: `unix:${lan.migration}` });
  expect(await migrationEnd(qmp)).toMatchObject({ status: 'completed', 'x-drover': { confirmed: true } });
  expect(events.filter((event) => !event.startsWith('MIGRATION_PASS'))).toEqual([
    ...['MIGRATION wait-unplug', 'UNPLUG_PRIMARY fast0', 'DEVICE_DELETED fast0'],
    ...['MIGRATION setup', 'MIGRATION active', 'STOP undefined', 'MIGRATION device', 'MIGRATION completed'],
  ]);
  expect((await negotiated).data).toEqual({ 'device-id': 'net0' });
  await hasPrimary(arrived);
  const after = lastEchoLine(arrived.printed());
  expect(after.answered).toBeGreaterThan(before.answered + 20);
  expect(after.repeated).toBe(0);
});

test('a guest that does not let it go stays, and has it as before; so does one whose move is cancelled', async () => {
  const lan = new Lan();
  await lan.peer();
  const { vmm, qmp } = await start(lan, 'keep_primary=1');
  await qmp.execute('migrate-set-parameters', { 'x-drover-unplug-timeout': 1 });
  const migration = { uri: 'tcp:127.0.0.1:9', 'x-drover-migration-id': 'm-1' };
  await qmp.execute('migrate', migration);
  expect(await migrationEnd(qmp)).toMatchObject({
    status: 'failed',
    'error-desc': expect.stringContaining('has not let device fast0 of the host go within 1 s'),
    'x-drover': { migrationId: 'm-1', error: { code: 'host_device' } },
  });
  await hasPrimary(vmm);

  await qmp.execute('migrate-set-parameters', { 'x-drover-unplug-timeout': 3600 });
  await qmp.execute('migrate', migration);
  expect(await qmp.execute('query-migrate')).toMatchObject({ status: 'wait-unplug' });
  await expect(qmp.execute('migrate', migration)).rejects.toThrow('under way already');
  await qmp.execute('migrate_cancel');
  expect(await migrationEnd(qmp)).toMatchObject({ status: 'cancelled' });
  await hasPrimary(vmm);
});

test.each([
  ['failover_pair_id=net9', 'there is no virtio-net-device,id=net9,failover=on'],
  ['failover_pair_id=net0,failover=on', 'are of two cards'],
])('a pair that is none is refused: %s', async (property, complaint) => {
  const lan = new Lan();
  const cards = [
    ...(await lan.card('one', MAC, ',id=net0,failover=on')),
    ...(await lan.card('two', MAC, `,id=fast0,${property}`)),
  ];
  const vmm = new VmmProcess(ECHO, ['-m', '16M', '-append', 'ip=10.0.0.1', ...cards]);
  expect(await vmm.ended).toBe(1);
  expect(vmm.stderr).toContain(complaint);
});
