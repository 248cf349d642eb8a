/** Guests on one network, on two hosts with real agents: through agents that die, and over a migration. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AgentProcess } from '../agent/agent-process.js';
import { eventually, type StartJob, TwoHosts } from '../agent/two-hosts.js';
import { answeredIn } from './echo.js';

let hosts: TwoHosts;
let a: AgentProcess;
let b: AgentProcess;

beforeAll(async () => {
  hosts = await TwoHosts.start();
  ({ a, b } = hosts);
  hosts.introduce();
});
afterAll(() => hosts?.stop());

/** An order to start a guest that asks another one all the time. */
const echo = (n: number, peer: number, network = 'default'): StartJob => ({
  kind: 'start',
  vmId: randomUUID(),
  epoch: 1,
  spec: {
    name: `echo-${n}`,
    vcpus: 1,
    memoryMiB: 16,
    image: 'echo',
    append: `ip=10.0.0.${n} peer=10.0.0.${peer} interval_ms=5 line_ms=100`,
    nics: [{ network, mac: `52:54:00:00:00:0${n}` }],
    disks: [],
  },
});

const answered = (agent: AgentProcess, { vmId }: StartJob) => answeredIn(agent.host.vm(vmId)?.consoleTail ?? '');

/** From now on it is answered. */
async function expectAnswers(agent: AgentProcess, vm: StartJob): Promise<void> {
  const before = answered(agent, vm);
  await eventually(() => expect(answered(agent, vm)).toBeGreaterThan(before + 50));
}

test('guests of two hosts reach each other, stay in touch while one moves, and when agents are started again', async () => {
  const [moving, staying] = [echo(1, 2), echo(2, 1)];
  await hosts.controller.order(a.host, moving);
  await hosts.controller.order(b.host, staying);
  await expectAnswers(a, moving);
  await expectAnswers(b, staying);

  await hosts.controller.order(a.host, a.migrateTo(b, moving, randomUUID()));
  await eventually(() => expect(b.host.vm(moving.vmId)?.status).toBe('up'));
  await expectAnswers(b, moving);
  await expectAnswers(b, staying);

  await b.end('SIGKILL');
  b.start();
  await expectAnswers(b, moving);
  await expectAnswers(b, staying);
  for (const [vm, epoch] of [
    [moving, 2],
    [staying, 1],
  ] as const)
    await hosts.powerOff(b, vm, epoch);
});

test('guests of different networks do not', async () => {
  const [one, other] = [echo(3, 4, 'red'), echo(4, 3, 'blue')];
  const friend = echo(5, 3, 'red');
  await hosts.controller.order(a.host, one);
  await hosts.controller.order(b.host, other);
  await hosts.controller.order(b.host, friend);
  await expectAnswers(b, friend);
  expect([answered(a, one), answered(b, other)]).toEqual([0, 0]);
});
