/** Stands between two agents: passes on what they say, and may change where the destination says that it waits. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export class AgentProxy {
  private constructor(
    private readonly server: Server,
    readonly url: string,
  ) {}

  /** `agentUrl`: of the destination's agent; `waitsAt`: what the source is told instead of that address. */
  static async start(agentUrl: () => string, waitsAt: (uri: string) => Promise<string>): Promise<AgentProxy> {
    const server = createServer(async (request, response) => {
      try {
        const chunks: Buffer[] = [];
        for await (const chunk of request) chunks.push(chunk as Buffer);
        const { authorization = '', 'content-type': type } = request.headers;
        const answer = await fetch(agentUrl() + request.url, {
          method: request.method,
          headers: { authorization, ...(type && { 'content-type': type }) },
          body: chunks.length > 0 ? Buffer.concat(chunks) : undefined,
        });
        const body = (await answer.json()) as { uri?: string };
        if (body.uri) body.uri = await waitsAt(body.uri);
        const headers = { 'content-type': answer.headers.get('content-type') ?? 'application/json' };
        response.writeHead(answer.status, headers).end(JSON.stringify(body));
      } catch {
        const problem = { type: 'about:blank', title: 'Bad Gateway', status: 502 };
        response.writeHead(502, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
      }
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return new AgentProxy(server, `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }
}
