/**
 * Stands between two agents of a migration: passes on what they say, but the stream's last message (COMMIT) never
 * arrives. So the source has let go, and the destination has everything but the word to run it.
 */
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';

/** Frames of the migration stream: opening of 8 bytes, then u64 checksum | u32 length | u32 type | payload. */
const OPENING_BYTES = 8;
const HEADER_BYTES = 16;
const LOADED = 8;

export class CuttingProxy {
  private readonly servers: Server[] = [];

  private constructor(private readonly agentUrl: () => string) {}

  url = '';
  /** True once COMMIT has been swallowed. */
  hasCut = false;

  /** `agentUrl`: the destination's agent. */
  static async start(agentUrl: () => string): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(agentUrl);
    proxy.url = `http://127.0.0.1:${await proxy.listen(proxy.passHttp())}`;
    return proxy;
  }

  stop(): void {
    for (const server of this.servers) server.close();
  }

  private async listen(server: Server): Promise<number> {
    this.servers.push(server);
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return (server.address() as AddressInfo).port;
  }

  /** Passes requests on, and puts another proxy before the port that the answer to `prepare` names. */
  private passHttp(): Server {
    return createHttpServer(async (request, response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const { authorization = '', 'content-type': type } = request.headers;
        const answer = await fetch(this.agentUrl() + request.url, {
          method: request.method,
          headers: { authorization, ...(type && { 'content-type': type }) },
          body: chunks.length > 0 ? Buffer.concat(chunks) : undefined,
        });
        const body = (await answer.json()) as { uri?: string };
        if (body.uri)
          body.uri = `tcp:127.0.0.1:${await this.listen(this.passStream(Number(body.uri.split(':').at(-1))))}`;
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      } catch {
        const problem = { type: 'about:blank', title: 'Bad Gateway', status: 502 };
        response.writeHead(502, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
      }
    });
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
