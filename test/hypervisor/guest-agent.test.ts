/** The client of QEMU's guest agent: against the real one, and against guests that lie, stammer or are silent. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { hostname, networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { AgentCommandError, AgentSilence, GuestAgent, reachableAddresses } from '#hypervisor';
import { isInstalled } from '../programs.js';
import { refusing, returning, ScriptedAgent, synchronized } from './scripted-agent.js';

function agentAt(path: string, timeoutMs = 5000): GuestAgent {
  const agent = new GuestAgent({ path, timeoutMs });
  onTestFinished(() => agent.close());
  return agent;
}

describe.runIf(isInstalled('qemu-ga', "the tests of QEMU's guest agent itself"))("QEMU's guest agent", () => {
  /** It runs here, not in a guest: whatever would change this machine is forbidden to it. */
  const FORBIDDEN = ['guest-shutdown', 'guest-set-vcpus', 'guest-fsfreeze-freeze', 'guest-fsfreeze-thaw', 'guest-exec'];

  async function start(): Promise<{ path: string; agent: GuestAgent }> {
    const folder = mkdtempSync(join(tmpdir(), 'drover-qga-'));
    const path = join(folder, 'agent.sock');
    const options = [
      '-m',
      'unix-listen',
      '-p',
      path,
      '-t',
      folder,
      '-f',
      join(folder, 'pid'),
      '-b',
      FORBIDDEN.join(','),
    ];
    const child = spawn('qemu-ga', options, { stdio: 'ignore' });
    onTestFinished(async () => {
      child.kill('SIGKILL');
      await new Promise((resolve) => child.once('close', resolve));
      rmSync(folder, { recursive: true });
    });
    await vi.waitFor(() => expect(existsSync(path)).toBe(true), { timeout: 90_000 });
    return { path, agent: agentAt(path) };
  }

  test('tells who and where it is', async () => {
    const { agent } = await start();
    await agent.ping();
    expect(await agent.hostName()).toBe(hostname());
    const [, osName] = /^PRETTY_NAME="?([^"\n]+)/m.exec(readFileSync('/etc/os-release', 'utf8'))!;
    expect(await agent.osName()).toBe(osName);
    const interfaces = await agent.interfaces();
    const own = Object.entries(networkInterfaces()).flatMap(([name, all]) =>
      all!.map(({ address }) => ({ name, address })),
    );
    for (const { name, address } of own)
      expect(interfaces.find((each) => each.name === name)?.addresses).toContain(address);
    expect((await agent.vcpus()).filter(({ isOnline }) => isOnline).length).toBeGreaterThan(0);
  });

  test('refuses what is forbidden to it, and answers the next question', async () => {
    const { agent } = await start();
    await expect(agent.freeze()).rejects.toThrow(AgentCommandError);
    await expect(agent.shutdown()).rejects.toThrow(/guest-shutdown/);
    await agent.ping();
  });

  test('finds its way after half a question of somebody else', async () => {
    const { path } = await start();
    const first = agentAt(path);
    await first.ping();
    first['channel']['socket']!.write('{"execute": "guest-get-host-name", "argu');
    first.close();
    expect(await agentAt(path).hostName()).toBe(hostname());
  });
});

describe('answers', () => {
  const answering = async (value: unknown) => agentAt((await ScriptedAgent.start(() => returning(value))).path, 500);

  test('about interfaces', async () => {
    const address = (ip: string) => ({
      'ip-address': ip,
      'ip-address-type': ip.includes(':') ? 'ipv6' : 'ipv4',
      prefix: 24,
    });
    const agent = await answering([
      { name: 'lo', 'ip-addresses': [address('127.0.0.1'), address('::1')] },
      {
        name: 'eth0',
        'hardware-address': '52:54:00:12:34:56',
        'ip-addresses': [address('10.0.0.7'), address('fe80::1'), address('2001:db8::7')],
      },
      { name: 'eth1', 'hardware-address': '52:54:00:12:34:57' },
    ]);
    const interfaces = await agent.interfaces();
    expect(interfaces.map(({ name, mac }) => [name, mac])).toEqual([
      ['lo', null],
      ['eth0', '52:54:00:12:34:56'],
      ['eth1', '52:54:00:12:34:57'],
    ]);
    expect(reachableAddresses(interfaces)).toEqual(['10.0.0.7', '2001:db8::7']);
  });

  test('about CPUs and file systems', async () => {
    const scripted = await ScriptedAgent.start(({ execute }) => {
      if (execute === 'guest-get-vcpus') return returning([{ 'logical-id': 0, online: true, 'can-offline': false }]);
      if (execute === 'guest-fsfreeze-status') return returning('frozen');
      return returning(2);
    });
    const agent = agentAt(scripted.path);
    expect(await agent.vcpus()).toEqual([{ logicalId: 0, isOnline: true, canOffline: false }]);
    expect(await agent.setVcpus([{ logicalId: 1, isOnline: false }])).toBe(2);
    expect([await agent.freeze(), await agent.isFrozen(), await agent.thaw()]).toEqual([2, true, 2]);
    expect(scripted.asked.map(({ execute }) => execute)).toEqual([
      ...['guest-sync-delimited', 'guest-get-vcpus', 'guest-set-vcpus'],
      ...['guest-fsfreeze-freeze', 'guest-fsfreeze-status', 'guest-fsfreeze-thaw'],
    ]);
    expect(scripted.asked[2]!.arguments).toEqual({ vcpus: [{ 'logical-id': 1, online: false }] });
  });

  test.each([
    ['no name', {}],
    ['a name that is none', { 'host-name': 7 }],
    ['an empty name', { 'host-name': '' }],
    ['a name with control characters', { 'host-name': 'a\u0000b' }],
    ['a name without end', { 'host-name': 'x'.repeat(1000) }],
    ['nothing', null],
  ])('that are %s are refused', async (_, value) => {
    await expect((await answering(value)).hostName()).rejects.toThrow(/makes no sense: host-name/);
  });

  test('with an address that is none are refused', async () => {
    const agent = await answering([{ name: 'eth0', 'ip-addresses': [{ 'ip-address': 'localhost; rm -rf /' }] }]);
    await expect(agent.interfaces()).rejects.toThrow(/ip-address is/);
  });

  test('that are errors are told as such, and the next question is asked without further ado', async () => {
    const scripted = await ScriptedAgent.start(({ execute }) =>
      execute === 'guest-ping' ? returning({}) : refusing('not today'),
    );
    const agent = agentAt(scripted.path);
    await expect(agent.hostName()).rejects.toThrow('guest-get-host-name: not today');
    await agent.ping();
    expect(scripted.asked.map(({ execute }) => execute)).toEqual([
      ...['guest-sync-delimited', 'guest-get-host-name', 'guest-ping'],
    ]);
  });
});

describe('a guest that', () => {
  test('is silent is given up, and a late answer is not taken for the next one', async () => {
    let isLate = true;
    const scripted = await ScriptedAgent.start(({ execute }) => {
      if (execute === 'guest-get-host-name') return isLate ? undefined : returning({ 'host-name': 'right' });
      return returning({});
    });
    const agent = agentAt(scripted.path, 200);
    await expect(agent.hostName()).rejects.toThrow(AgentSilence);
    scripted.say(returning({ 'host-name': 'late' }));
    isLate = false;
    expect(await agent.hostName()).toBe('right');
  });

  test('never synchronizes is given up', async () => {
    const { path } = await ScriptedAgent.start(() => undefined, { all: true });
    await expect(agentAt(path, 200).ping()).rejects.toThrow('the guest agent does not answer');
  });

  test('answers questions of before first is waited for', async () => {
    const scripted = await ScriptedAgent.start(
      (asked) =>
        asked.execute === 'guest-ping'
          ? returning({})
          : `${returning({ stale: true })}\xff${returning(1)}${refusing('JSON parse error')}${synchronized(asked)}`,
      { all: true },
    );
    await agentAt(scripted.path).ping();
  });

  test('sends without end is cut off', async () => {
    const scripted = await ScriptedAgent.start(() => 'x'.repeat(2 ** 21));
    await expect(agentAt(scripted.path).ping()).rejects.toThrow(/connection to the guest agent is lost/);
  });

  test('hangs up is asked again at its next connection', async () => {
    const scripted = await ScriptedAgent.start(() => {
      if (scripted.clients.size === 1) for (const client of scripted.clients) client.destroy();
      return returning({});
    });
    const agent = agentAt(scripted.path);
    await expect(agent.ping()).rejects.toThrow(AgentSilence);
    await agent.ping();
  });

  test('is not there is told at once', async () => {
    await expect(agentAt('/nowhere/agent.sock').ping()).rejects.toThrow('nobody listens at /nowhere/agent.sock');
  });

  test('shuts down does not answer, unless it refuses', async () => {
    const scripted = await ScriptedAgent.start(() => undefined);
    await agentAt(scripted.path).shutdown();
    expect(scripted.asked.at(-1)).toEqual({ execute: 'guest-shutdown', arguments: { mode: 'powerdown' } });
    const unwilling = await ScriptedAgent.start(() => refusing('no'));
    await expect(agentAt(unwilling.path).shutdown()).rejects.toThrow('guest-shutdown: no');
  });

  test('answers any garbage is told from one that answers', async () => {
    const bytes = fc.uint8Array({ minLength: 1, maxLength: 60 }).map((all) => Buffer.from(all).toString('latin1'));
    const json = fc.json().map((text) => `${text}\n`);
    let reply = '';
    const scripted = await ScriptedAgent.start(({ execute }) => (execute === 'guest-ping' ? returning({}) : reply));
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, json), async (garbage) => {
        const agent = new GuestAgent({ path: scripted.path, timeoutMs: 30 });
        reply = garbage;
        await expect(agent.hostName()).rejects.toThrow(/^(?!.*undefined)./);
        await agent.ping();
        agent.close();
      }),
      { numRuns: 40 },
    );
  });
});

test('questions that come together are asked one after the other', async () => {
  const scripted = await ScriptedAgent.start(({ execute }) =>
    execute === 'guest-get-host-name' ? returning({ 'host-name': 'guest' }) : returning({}),
  );
  const agent = agentAt(scripted.path);
  const [name] = await Promise.all([agent.hostName(), agent.ping(), agent.ping()]);
  expect(name).toBe('guest');
  expect(scripted.asked).toHaveLength(4);
});
