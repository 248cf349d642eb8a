import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { magicPacket, parseMacAddress, PowerError, wakeOnLan } from './index.js';

const MAC = '52:54:00:12:34:ab';

test('a magic packet is six bytes of ones and the address sixteen times', () => {
  const packet = magicPacket(MAC);
  expect(packet).toHaveLength(102);
  expect(Buffer.from(packet.slice(0, 6)).toString('hex')).toBe('ffffffffffff');
  expect(Buffer.from(packet.slice(6)).toString('hex')).toBe('5254001234ab'.repeat(16));
  expect(magicPacket('52-54-00-12-34-AB')).toEqual(packet);
  expect(() => parseMacAddress('52:54:00:12:34')).toThrow(RangeError);
});

test('waking sends packets that arrive; nothing else is possible without a program', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const arrived = once(socket, 'message');
  const control = wakeOnLan({ macAddress: MAC, address: '127.0.0.1', port: socket.address().port, others: null });
  await control.on();
  const [message] = (await arrived) as [Buffer];
  socket.close();
  expect(message).toEqual(Buffer.from(magicPacket(MAC)));
  expect(await control.status()).toBe('unknown');
  await expect(control.off()).rejects.toThrow(PowerError);
});
