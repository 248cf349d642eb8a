/** What an agent makes of what guests say of themselves, and how it asks them to shut down. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { GuestAgent, type Hypervisor, type VmEnd, type VmProcess } from '#hypervisor';
import { createLog } from '../../apps/agent/log.js';
import { JsonStore } from '../../apps/agent/state/json-store.js';
import { GuestWatch } from '../../apps/agent/vms/guest-watch.js';
import { VmOrders } from '../../apps/agent/vms/vm-orders.js';
import { DiskFiles } from '../../apps/agent/vms/disk-files.js';
import { VmRecord } from '../../apps/agent/vms/vm-record.js';
import { Checkpoints } from '../../apps/agent/vms/checkpoints.js';
import { VmTable } from '../../apps/agent/vms/vm-table.js';
import { VmTransfers } from '../../apps/agent/vms/vm-transfers.js';
import { refusing, returning, ScriptedAgent } from '../hypervisor/scripted-agent.js';

vi.mock('node:timers/promises', { spy: true });

const VM_ID = '00000000-0000-4000-8000-000000000002';
const EVENTUALLY = { timeout: 90_000, interval: 5 };
const eth0 = [{ name: 'eth0', 'ip-addresses': [{ 'ip-address': '10.0.0.7' }] }];

function agentAt(path: string): GuestAgent {
  const agent = new GuestAgent({ path, timeoutMs: 100 });
  onTestFinished(() => agent.close());
  return agent;
}

describe('what a guest says', () => {
  test('is known a little later, and asked for anew after a while', async () => {
    let name = '(none)';
    const scripted = await ScriptedAgent.start(({ execute }) =>
      returning(execute === 'guest-get-host-name' ? { 'host-name': name } : eth0),
    );
    const agent = agentAt(scripted.path);
    const watch = new GuestWatch(() => undefined);
    const at = (nowMs: number) => watch.report(VM_ID, agent, nowMs);
    expect(at(0)).toBeNull();
    await vi.waitFor(() => expect(at(1)).toEqual({ hostName: null, ipAddresses: ['10.0.0.7'] }), EVENTUALLY);
    name = 'second';
    for (let nowMs = 100; nowMs < 9000; nowMs += 100) expect(at(nowMs)?.hostName).toBeNull();
    expect(scripted.asked).toHaveLength(3);
    await vi.waitFor(() => expect(at(10_001)?.hostName).toBe('second'), EVENTUALLY);
    expect(watch.report(VM_ID, null, 10_002)).toBeNull();
  });

  test('stays known while it is silent, and silence costs little', async () => {
    let isSilent = false;
    const scripted = await ScriptedAgent.start(({ execute }) => {
      if (isSilent) return undefined;
      return execute === 'guest-get-host-name' ? refusing('forbidden') : returning(eth0);
    });
    const agent = agentAt(scripted.path);
    const reasons: string[] = [];
    const watch = new GuestWatch((_, reason) => reasons.push(reason));
    const known = { hostName: null, ipAddresses: ['10.0.0.7'] };
    watch.report(VM_ID, agent, 0);
    await vi.waitFor(() => expect(watch.report(VM_ID, agent, 1)).toEqual(known), EVENTUALLY);
    isSilent = true;
    watch.report(VM_ID, agent, 20_000);
    await vi.waitFor(() => expect(reasons).toEqual(['the guest agent does not answer']), EVENTUALLY);
    const { length } = scripted.asked;
    expect(watch.report(VM_ID, agent, 40_000)).toEqual(known);
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(scripted.asked).toHaveLength(length);
  });
});

describe('a VM that is to shut down', () => {
  /** A VM whose guest ends when `end` is called. */
  function host(guestAgent: GuestAgent | null, hasPowerButton = true) {
    const dir = mkdtempSync(join(tmpdir(), 'drover-agent-'));
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const log = createLog('silent');
    const store = JsonStore.open(join(dir, 'vms'), VmRecord, (file, reason) => expect.fail(`${file}: ${reason}`));
    const ports = { plug: () => Promise.resolve(), unplug: () => Promise.resolve() };
    const hypervisor = { isAlive: () => true } as unknown as Hypervisor;
    const vms = new VmTable(
      store,
      { of: () => hypervisor },
      { images: [dir], vms: dir, runtime: dir },
      ports,
      new DiskFiles(dir, [dir]),
      log,
    );
    const orders = new VmOrders(vms, new VmTransfers(vms, new Checkpoints(dir, log), 1024, log), log);
    let end!: () => void;
    const ended = new Promise<VmEnd>((resolve) => {
      end = () => resolve({ exitCode: 0, signal: null, byGuest: true, lastLogLine: '' });
    });
    const powerdown = vi.fn<() => Promise<boolean>>(async () => {
      if (hasPowerButton) end();
      return hasPowerButton;
    });
    const process = { guestAgent, powerdown, ended, handle: { pid: 1 } } as unknown as VmProcess;
    const spec = { name: 'web-1', vcpus: 1, memoryMiB: 64, image: 'linux', append: '', nics: [], disks: [] };
    vms.create(VM_ID, 4, spec, { phase: 'running' });
    vi.spyOn(vms, 'process').mockReturnValue(process);
    return { powerdown, end, stop: () => orders.stop(VM_ID, 4, 'shutdown', 'stopped') };
  }

  test('is asked by its agent, and given time', async () => {
    let end = () => undefined as void;
    const scripted = await ScriptedAgent.start(() => void setTimeout(() => end(), 50));
    const { powerdown, stop, ...more } = host(agentAt(scripted.path));
    end = more.end;
    await stop();
    expect(scripted.asked.at(-1)?.execute).toBe('guest-shutdown');
    expect(powerdown).not.toHaveBeenCalled();
  });

  test.each([
    ['has no agent', async () => null],
    ['has one that refuses', async () => agentAt((await ScriptedAgent.start(() => refusing('no'))).path)],
    ['has one that is silent', async () => agentAt((await ScriptedAgent.start(() => undefined, { all: true })).path)],
  ])('hears the power button if it %s', async (_, agent) => {
    const { powerdown, stop } = host(await agent());
    await stop();
    expect(powerdown).toHaveBeenCalledOnce();
  });

  test('is ended without waiting if it has neither an agent nor a power button', async () => {
    const { powerdown, stop } = host(null, false);
    await stop();
    expect(powerdown).toHaveBeenCalledOnce();
    expect(vi.mocked(sleep).mock.lastCall?.[0]).toBe(0);
  });
});
