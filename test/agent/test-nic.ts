/** A NIC that is this test: connects to a switch port as a VMM does, sends frames and keeps what it receives. */
import { connect, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { macBytes, MessageReader, parseMac, PREFIX_BYTES, prefixOf } from '#network';

export const BROADCAST = 'ff:ff:ff:ff:ff:ff';
const TYPE = [0x88, 0xb5]; // for experiments (IEEE 802, local)

export class TestNic {
  /** Texts of the frames that have come. */
  readonly heard: string[] = [];
  private readonly socket: Socket;

  constructor(
    path: string,
    readonly mac: string,
  ) {
    this.socket = connect(path);
    const reader = new MessageReader();
    this.socket.on('data', (chunk: Buffer) => {
      for (const message of reader.read(chunk)) this.heard.push(textOf(message.subarray(PREFIX_BYTES)));
    });
    this.socket.on('error', () => undefined);
    onTestFinished(() => this.unplug());
  }

  send(to: string, text: string, from = this.mac): void {
    const body = Buffer.from(text.padEnd(46, '\0'));
    this.sendBytes(Buffer.concat([macBytes(parseMac(to)), macBytes(parseMac(from)), Uint8Array.from(TYPE), body]));
  }

  sendBytes(frame: Uint8Array): void {
    this.socket.write(prefixOf(frame.length));
    this.socket.write(frame);
  }

  unplug(): void {
    this.socket.destroy();
  }
}

const textOf = (frame: Uint8Array) => Buffer.from(frame.subarray(14)).toString().replaceAll('\0', '');
