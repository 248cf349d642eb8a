/** A small Redfish service (DSP0266): one system that can be reset, one chassis that measures; TLS with its own certificate. */
import { createServer, type Server } from 'node:https';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { createAuthority } from '../../apps/controller/certificates/x509.js';

const SYSTEM = '/redfish/v1/Systems/1';
const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;

export class RedfishService {
  isOn = true;
  watts = 140;
  /** What was asked of it, in order. */
  readonly resets: string[] = [];

  private constructor(
    private readonly server: Server,
    private readonly authorization: string,
  ) {}

  static async start(username: string, password: string): Promise<RedfishService> {
    const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
    const { certificate, privateKey } = await createAuthority(new Date());
    const pem = `-----BEGIN PRIVATE KEY-----\n${privateKey}\n-----END PRIVATE KEY-----\n`;
    const server = createServer({ cert: certificate, key: pem });
    const service = new RedfishService(server, authorization);
    server.on('request', (request, response) => void service.answer(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return service;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    this.server.close();
    this.server.closeAllConnections();
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, body: object) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    const body = await text(request);
    if (request.headers.authorization !== this.authorization) return void send(401, { error: 'not let in' });
    const path = request.url!.replace(/\/$/, '');
    if (request.method === 'POST' && path === RESET) {
      const { ResetType } = JSON.parse(body) as { ResetType: string };
      this.resets.push(ResetType);
      this.isOn = ResetType === 'On';
      return void send(200, {});
    }
    const resource = this.resources()[path];
    return void (resource ? send(200, resource) : send(404, { error: path }));
  }

  private resources(): Record<string, object> {
    const link = (path: string) => ({ '@odata.id': path });
    return {
      '/redfish/v1': { Systems: link('/redfish/v1/Systems'), Chassis: link('/redfish/v1/Chassis') },
      '/redfish/v1/Systems': { Members: [link(SYSTEM)] },
      [SYSTEM]: {
        PowerState: this.isOn ? 'On' : 'Off',
        Actions: { '#ComputerSystem.Reset': { target: RESET } },
      },
      '/redfish/v1/Chassis': { Members: [link('/redfish/v1/Chassis/1')] },
      '/redfish/v1/Chassis/1/Power': { PowerControl: [{ PowerConsumedWatts: this.isOn ? this.watts : 4 }] },
    };
  }
}
