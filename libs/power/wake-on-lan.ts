/** Wake-on-LAN: AMD's Magic Packet (white paper 20213), as a UDP broadcast. */
import { createSocket } from 'node:dgram';
import { type PowerControl, PowerError } from './power-control.js';

export interface WakeOnLanSettings {
  /** Of the card that listens while the host is off, such as 52:54:00:12:34:56. */
  readonly macAddress: string;
  /** Broadcast address of the host's network, or 255.255.255.255. */
  readonly address: string;
  readonly port: number;
  /** A packet wakes and does nothing else: what switches off and tells the state; null = nothing does. */
  readonly others: PowerControl | null;
}

/** Packets may be lost, and nobody answers. */
const PACKETS = 3;
const BETWEEN_PACKETS_MS = 100;
const MAC_REPEATS = 16;

/** @throws RangeError unless it is six bytes in hexadecimal, with colons or dashes. */
export function parseMacAddress(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text))
    throw new RangeError(`${text} is no MAC address; write it as 52:54:00:12:34:56`);
  return Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
}

/** Six bytes of ones, then the address sixteen times. */
export function magicPacket(macAddress: string): Uint8Array {
  const mac = parseMacAddress(macAddress);
  const packet = new Uint8Array(6 + MAC_REPEATS * mac.length).fill(0xff, 0, 6);
  for (let index = 0; index < MAC_REPEATS; index++) packet.set(mac, 6 + index * mac.length);
  return packet;
}

export function wakeOnLan({ macAddress, address, port, others }: WakeOnLanSettings): PowerControl {
  const on = () => send(magicPacket(macAddress), address, port);
  const off = async () => {
    if (!others)
      throw new PowerError('wake-on-LAN wakes and does nothing else; name a program that switches the host off');
    await others.off();
  };
  return {
    on,
    off,
    status: async () => (others ? others.status() : 'unknown'),
    cycle: async () => {
      await off();
      await on();
    },
  };
}

async function send(packet: Uint8Array, address: string, port: number): Promise<void> {
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    await new Promise<void>((done, failed) => {
      socket.once('error', failed);
      socket.bind(0, () => {
        if (!address.includes(':')) socket.setBroadcast(true);
        done();
      });
    });
    for (let count = 0; count < PACKETS; count++) {
      if (count > 0) await new Promise((done) => setTimeout(done, BETWEEN_PACKETS_MS));
      await new Promise<void>((done, failed) =>
        socket.send(packet, port, address, (error) => (error ? failed(error) : done())),
      );
    }
  } catch (error) {
    throw new PowerError(`no packet could be sent to ${address}:${port}: ${(error as Error).message}`);
  } finally {
    socket.close();
  }
}
