/** A network between the two ends of a migration that sees what passes, and fails when it is told to. */
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { Channel, Harm } from './cells.js';
import { FRAME, FrameSplitter, type Frame } from './frames.js';

export interface Passing {
  readonly channel: Channel;
  readonly from: 'source' | 'destination';
  /** Null: of NBD. */
  readonly frame: Frame | null;
  /** Of NBD: a mirror flushes its copy, which it does once, after the guest has stopped. */
  readonly isFlush: boolean;
}

/** NBD's request, of 28 bytes: magic, flags, command (doc/proto.md, "Request message"). */
const NBD = { magic: 0x2560_9513, bytes: 28, flush: 3 };

export class FaultyNetwork {
  private readonly links: Link[] = [];
  private readonly servers: Server[] = [];

  /** `onPass` hears of everything before it passes; what it does to the network counts for that already. */
  constructor(private readonly onPass: (passing: Passing) => void) {
    onTestFinished(() => this.end());
  }

  /** Where to connect to instead of `uri`, a tcp: address of a migration. */
  async before(uri: string): Promise<string> {
    return `tcp:127.0.0.1:${await this.listen(Number(/\d+$/.exec(uri)![0]), null)}`;
  }

  /** The same for an NBD server; gives the port. */
  beforeNbd(port: number): Promise<number> {
    return this.listen(port, 'nbd');
  }

  /** From now on, for all connections of that channel. */
  harm(channel: Channel, harm: Harm): void {
    for (const link of this.links) if (link.channel === channel) link.suffer(harm);
  }

  private async listen(port: number, channel: Channel | null): Promise<number> {
    const server = createServer({ allowHalfOpen: true }, (near) => {
      const far = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
      this.links.push(new Link(near, far, channel, this.onPass));
    });
    this.servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  private end(): void {
    for (const link of this.links) link.suffer('cut');
    for (const server of this.servers) server.close();
  }
}

/** One connection through the network. */
class Link {
  private suffers: Harm | null = null;

  constructor(
    private readonly near: Socket,
    private readonly far: Socket,
    /** Known from the first frame, if it is null. */
    public channel: Channel | null,
    private readonly onPass: (passing: Passing) => void,
  ) {
    this.pass(near, far, 'source');
    this.pass(far, near, 'destination');
  }

  suffer(harm: Harm): void {
    this.suffers = harm;
    if (harm === 'cut' || harm === 'half_open') this.near.destroy();
    if (harm === 'cut') this.far.destroy();
  }

  private pass(from: Socket, to: Socket, side: Passing['from']): void {
    const splitter = this.channel === 'nbd' ? null : new FrameSplitter();
    from.setNoDelay(true);
    from.on('error', () => undefined);
    from.on('data', (chunk: Buffer) => {
      const frames = splitter ? splitter.push(chunk) : [null];
      for (const frame of frames) {
        this.channel ??= channelOf(frame!);
        const isFlush = !frame && side === 'source' && endsInFlush(chunk);
        if (this.suffers === null) this.onPass({ channel: this.channel, from: side, frame, isFlush });
        this.send(to, frame?.bytes ?? chunk, side);
      }
    });
    from.on('end', () => this.isPassing && to.end());
    from.on('close', () => this.isPassing && to.destroy());
  }

  private get isPassing(): boolean {
    return this.suffers === null || this.suffers === 'corrupt';
  }

  private send(to: Socket, bytes: Buffer, side: Passing['from']): void {
    if (!this.isPassing || to.destroyed) return;
    const sent = Buffer.from(bytes);
    // NBD has no checksums: what changes there is the magic number of an answer; its content is safe in TLS alone.
    const isHit = this.channel !== 'nbd' || side === 'destination';
    if (this.suffers === 'corrupt' && isHit) sent[this.channel === 'nbd' ? 0 : sent.length >> 1]! ^= 1;
    to.write(sent);
  }
}

/** Whoever flushes waits for all answers first, so nothing follows. */
function endsInFlush(chunk: Buffer): boolean {
  const at = chunk.length - NBD.bytes;
  return at >= 0 && chunk.readUInt32BE(at) === NBD.magic && chunk.readUInt16BE(at + 6) === NBD.flush;
}

/** What a connection is, by how it opens. */
function channelOf(frame: Frame): Channel {
  if (frame.type !== FRAME.JOIN) return 'main';
  return (frame.json() as { channel: number }).channel === 0 ? 'urgent' : 'multifd';
}
