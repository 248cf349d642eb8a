import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FramingError, MessageReader, PREFIX_BYTES } from './framing.js';
import { MAX_TUNNEL_BYTES, readTunnelMessage, tunnelHeader, tunnelNetworks } from './tunnel.js';

const unpack = (message: Uint8Array) => {
  const [only, ...more] = new MessageReader(MAX_TUNNEL_BYTES).read(message);
  expect(more).toEqual([]);
  return readTunnelMessage(only!.subarray(PREFIX_BYTES));
};

test('packets and lists of networks arrive as they were sent', () => {
  const name = fc.string({ unit: 'grapheme', maxLength: 20 });
  fc.assert(
    fc.property(name, fc.uint8Array({ maxLength: 100 }), (network, packet) => {
      const message = unpack(Buffer.concat([tunnelHeader(network, packet.length), packet]));
      expect(message).toMatchObject({ kind: 'packet', network });
      expect(message.kind === 'packet' && [...message.packet]).toEqual([...packet]);
    }),
  );
  fc.assert(
    fc.property(fc.array(name), (networks) => {
      expect(unpack(tunnelNetworks(networks))).toEqual({ kind: 'networks', networks });
    }),
  );
});

test('what makes no sense is refused', () => {
  const refused = [[], [3], [1, 5, 65], [1, 1, 0xff], [2, ...Buffer.from('{}')], [2, ...Buffer.from('[1]')], [2]];
  for (const bytes of refused) expect(() => readTunnelMessage(Uint8Array.from(bytes))).toThrow(FramingError);
});
