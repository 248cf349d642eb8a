import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { fenceAgent, findFenceAgent, PowerError, readFenceMetadata, readWatts, type WattsSource } from '#power';
import { RedfishService } from './redfish.js';

const path = findFenceAgent('fence_redfish');
if (!path) console.warn('skipped: fence_redfish, because it is not installed (Debian package fence-agents)');

let service: RedfishService;
beforeAll(async () => {
  service = await RedfishService.start('drover', 'se cret=1');
});
afterAll(() => service?.stop());

describe.skipIf(!path)('fence_redfish', () => {
  const control = (password: string) =>
    fenceAgent({
      path: path!,
      options: { ip: '127.0.0.1', ipport: String(service.port), username: 'drover', ssl_insecure: '1' },
      password,
    });

  test('switches a Redfish service, and knows its state', async () => {
    const power = control('se cret=1');
    expect(await power.status()).toBe('on');
    await power.off();
    expect([service.isOn, await power.status()]).toEqual([false, 'off']);
    await power.on();
    expect([service.isOn, service.resets]).toEqual([true, ['ForceOff', 'On']]);
  });

  test('that is not let in fails, and does not tell the password', async () => {
    const failure = await control('wrong word')
      .off()
      .catch((error: Error) => error);
    expect(failure).toBeInstanceOf(PowerError);
    expect(String(failure)).not.toContain('wrong word');
    expect(service.isOn).toBe(true);
  });

  test('tells its options and actions', async () => {
    const { name, parameters, actions } = await readFenceMetadata(path!);
    expect(name).toBe('fence_redfish');
    expect(parameters.map((parameter) => parameter.name)).toEqual(
      expect.arrayContaining(['ip', 'username', 'password', 'ssl_insecure', 'systems_uri']),
    );
    expect(actions).toEqual(expect.arrayContaining(['on', 'off', 'status']));
  });
});

test('what a Redfish service measures is read', async () => {
  const source: WattsSource = {
    ...{
      kind: 'redfish' as const,
      address: '127.0.0.1',
      port: service.port,
      username: 'drover',
      password: 'se cret=1',
    },
    acceptsAnyCertificate: true,
  };
  expect(await readWatts(source)).toBe(140);
  await expect(readWatts({ ...source, password: 'x' })).rejects.toThrow('answers 401');
  await expect(readWatts({ ...source, acceptsAnyCertificate: false })).rejects.toThrow(/certificate/);
});
