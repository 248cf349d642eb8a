/**
 * Stands between two agents of a migration: passes on what they say, but the stream's last message (COMMIT) never
 * arrives. So the source has let go, and the destination has everything but the word to run it.
 */
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { AgentProxy } from './agent-proxy.js';

/** Frames of the migration stream: opening of 8 bytes, then u64 checksum | u32 length | u32 type | payload. */
const OPENING_BYTES = 8;
const HEADER_BYTES = 16;
const LOADED = 8;

export class CuttingProxy {
  private readonly servers: Server[] = [];

  private agents!: AgentProxy;

  /** True once COMMIT has been swallowed. */
  hasCut = false;

  /** `agentUrl`: the destination's agent. */
  static async start(agentUrl: () => string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy();
    proxy.agents = await AgentProxy.start(agentUrl, async (uri) => {
      const port = Number(uri.split(':').at(-1));
      return `tcp:127.0.0.1:${await proxy.listen(proxy.passStream(port))}`;
    });
    return proxy;
  }

  /** To be called instead of the agent. */
  get url(): string {
    return this.agents.url;
  }

  stop(): void {
    this.agents.stop();
    for (const server of this.servers) server.close();
  }

  private async listen(server: Server): Promise<number> {
    this.servers.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return (server.address() as AddressInfo).port;
  }

  private passStream(port: number): Server {
    return createServer((source) => {
      const destination = connect(port, '127.0.0.1');
      let isLoaded = false;
      let unread = Buffer.alloc(0);
      let skip = OPENING_BYTES;
      destination.on('data', (chunk: Buffer) => {
        source.write(chunk);
        unread = Buffer.concat([unread, chunk]);
        while (unread.length >= skip + HEADER_BYTES) {
          unread = unread.subarray(skip);
          if (unread.readUInt32LE(12) === LOADED) isLoaded = true;
          skip = HEADER_BYTES + unread.readUInt32LE(8);
        }
      });
      source.on('data', (chunk: Buffer) => {
        if (!isLoaded) return void destination.write(chunk);
        this.hasCut = true;
        source.destroy();
        destination.destroy();
      });
      for (const [one, other] of [
        [source, destination],
        [destination, source],
      ] as const) {
        one.on('error', () => other.destroy());
        one.on('close', () => other.destroy());
      }
    });
  }
}
