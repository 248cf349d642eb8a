import { beforeEach, expect, test, vi } from 'vitest';
import { boolean, integer, list, object, oneOf, optional, QmpError, QmpServer, string } from '#qmp';

let server: QmpServer;
const internalErrors: string[] = [];
beforeEach(() => {
  internalErrors.length = 0;
  server = new QmpServer({
    version: { qemu: { major: 1, minor: 2, micro: 3 }, package: 'test' },
    events: ['STOP'],
    now: () => 1_234_567.25,
    onInternalError: (command) => internalErrors.push(command),
  });
});

/** A client in memory; `heard` are the messages that it was sent. */
function join() {
  const heard: Record<string, never>[] = [];
  const state = { closed: false };
  const session = server.connect({
    write: (line) => {
      expect(line.endsWith('\r\n')).toBe(true);
      heard.push(JSON.parse(line) as Record<string, never>);
    },
    close: () => (state.closed = true),
  });
  const ask = async (message: unknown) => {
    const seen = heard.length;
    session.receive(typeof message === 'string' ? message : JSON.stringify(message));
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(seen), 90_000);
    return heard[seen] as unknown;
  };
  return { heard, state, session, ask };
}

const error = (desc: RegExp, errorClass = 'GenericError') => ({
  error: { class: errorClass, desc: expect.stringMatching(desc) as string },
});

async function joinNegotiated() {
  const client = join();
  await client.ask({ execute: 'qmp_capabilities' });
  client.heard.length = 0;
  return client;
}

test('greets, and wants capabilities negotiated before anything else', async () => {
  const client = join();
  expect(client.heard).toEqual([
    { QMP: { version: { qemu: { major: 1, minor: 2, micro: 3 }, package: 'test' }, capabilities: [] } },
  ]);
  expect(await client.ask({ execute: 'query-version' })).toEqual(error(/negotiate/, 'CommandNotFound'));
  expect(await client.ask({ execute: 'qmp_capabilities', arguments: { enable: ['oob'] } })).toEqual(error(/oob/));
  server.emit('STOP');
  expect(await client.ask({ execute: 'qmp_capabilities', id: 1 })).toEqual({ return: {}, id: 1 });
  expect(await client.ask({ execute: 'qmp_capabilities' })).toEqual(error(/already/, 'CommandNotFound'));
  expect(await client.ask({ execute: 'query-version' })).toMatchObject({ return: { package: 'test' } });
  expect(client.heard.filter((message) => 'event' in message)).toEqual([]);
});

test('echoes any id, and keeps the order of a session', async () => {
  const client = await joinNegotiated();
  server.register('slow', {}, () => new Promise((resolve) => setTimeout(() => resolve('late'), 20)));
  server.register('fast', {}, () => 'soon');
  client.session.receive('{"execute":"slow","id":{"deep":[1]}}{"execute":"fast","id":null}');
  client.session.receive('{"execute":"fast"}');
  await vi.waitFor(() => expect(client.heard).toHaveLength(3), 90_000);
  expect(client.heard).toEqual([
    { return: 'late', id: { deep: [1] } },
    { return: 'soon', id: null },
    { return: 'soon' },
  ]);
});

test('events go to every session that has negotiated, with the time', async () => {
  const clients = [await joinNegotiated(), await joinNegotiated()];
  server.emit('STOP', { why: 'test' });
  const event = { event: 'STOP', data: { why: 'test' }, timestamp: { seconds: 1234, microseconds: 567_250 } };
  for (const client of clients) expect(client.heard).toEqual([event]);
  expect(() => server.emit('GO')).toThrow(/not declared/);
});

test('arguments are checked by name, and the reason names the first that is wrong', async () => {
  const client = await joinNegotiated();
  const item = object({ flag: boolean, size: optional(integer(1, 9)) });
  server.register('try', { text: string, kind: oneOf('a', 'b'), items: optional(list(item)) }, (given) => given);
  const attempt = (given?: object) => client.ask({ execute: 'try', arguments: given });
  const fine = { text: 't', kind: 'a', items: [{ flag: true, size: 9 }, { flag: false }] };
  expect(await attempt(fine)).toEqual({ return: fine });
  expect(await attempt({ text: 't', kind: 'b' })).toEqual({ return: { text: 't', kind: 'b' } });
  expect(await attempt({ kind: 'a' })).toEqual(error(/'text' must be a string/));
  expect(await attempt()).toEqual(error(/'text'/));
  expect(await attempt({ text: 't', kind: 'c' })).toEqual(error(/'kind' must be one of a, b/));
  expect(await attempt({ ...fine, more: 1 })).toEqual(error(/'more' is not known/));
  expect(await attempt({ ...fine, items: {} })).toEqual(error(/'items' must be a list/));
  expect(await attempt({ ...fine, items: [{ flag: 1 }] })).toEqual(error(/'items\[0\]\.flag' must be true or false/));
  expect(await attempt({ ...fine, items: [{ flag: true, size: 10 }] })).toEqual(error(/size' must be from 1 to 9/));
  expect(await attempt({ ...fine, items: [{ flag: true, size: 1.5 }] })).toEqual(error(/whole number/));
  expect(await attempt({ ...fine, items: [{ flag: true, wide: 1 }] })).toEqual(error(/wide' is not known/));
});

test.each([
  ['[1]', /a command is a JSON object/],
  ['{}', /needs 'execute'/],
  ['{"execute":1}', /needs 'execute'/],
  ['{"execute":"query-events","arguments":[]}', /'arguments' must be an object/],
  ['{"execute":"query-events","exec-oob":1}', /no member 'exec-oob'/],
  ['nonsense\n', /not JSON/],
  ['{"execute":"__proto__"}', /no command '__proto__'/],
])('%s is answered with an error, and the session goes on', async (message, reason) => {
  const client = await joinNegotiated();
  expect(await client.ask(message)).toMatchObject({ error: { desc: expect.stringMatching(reason) as string } });
  expect(await client.ask({ execute: 'query-events' })).toEqual({ return: [{ name: 'STOP' }] });
});

test('errors of a command reach the client; those that are bugs are noted as well', async () => {
  const client = await joinNegotiated();
  server.register('refuse', {}, () => {
    throw new QmpError('not now', 'DeviceNotActive');
  });
  server.register('break', {}, async () => {
    throw new TypeError('oh');
  });
  expect(await client.ask({ execute: 'refuse', id: 7 })).toEqual({ ...error(/not now/, 'DeviceNotActive'), id: 7 });
  expect(await client.ask({ execute: 'break' })).toEqual(error(/oh/));
  expect(internalErrors).toEqual(['break']);
  expect(() => server.register('break', {}, () => {})).toThrow(/twice/);
});

test('a client that sends nothing but garbage is closed, and others are not', async () => {
  const [vandal, other] = [await joinNegotiated(), await joinNegotiated()];
  vandal.session.receive('x\n'.repeat(100));
  await vi.waitFor(() => expect(vandal.state.closed).toBe(true), 90_000);
  expect(vandal.heard.length).toBeLessThan(40);
  server.emit('STOP');
  expect(other.heard).toHaveLength(1);
  expect(vandal.heard.at(-1)).toEqual(error(/closed/));
});

test('events that a guest can bring about at will are told once a second, the last of them in the end', async () => {
  vi.useFakeTimers();
  try {
    const loud = new QmpServer({
      ...{ version: { qemu: { major: 1, minor: 2, micro: 3 }, package: 'test' }, now: () => 0 },
      events: ['BALLOON_CHANGE', 'STOP'],
      onInternalError: () => undefined,
    });
    const heard: { event?: string; data?: { actual: number } }[] = [];
    const session = loud.connect({
      write: (line) => heard.push(JSON.parse(line) as { event: string }),
      close: () => undefined,
    });
    session.receive('{"execute":"qmp_capabilities"}');
    await vi.advanceTimersByTimeAsync(0);
    const told = () => heard.filter(({ event }) => event).map(({ event, data }) => data?.actual ?? event);
    for (const actual of [1, 2, 3]) loud.emit('BALLOON_CHANGE', { actual });
    loud.emit('STOP');
    expect(told()).toEqual([1, 'STOP']);
    await vi.advanceTimersByTimeAsync(1000);
    loud.emit('BALLOON_CHANGE', { actual: 4 });
    expect(told()).toEqual([1, 'STOP', 3]);
    await vi.advanceTimersByTimeAsync(1000);
    await vi.advanceTimersByTimeAsync(1000);
    loud.emit('BALLOON_CHANGE', { actual: 5 });
    expect(told()).toEqual([1, 'STOP', 3, 4, 5]);
  } finally {
    vi.useRealTimers();
  }
});
