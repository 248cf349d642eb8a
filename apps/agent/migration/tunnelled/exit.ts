/** The destination's end of tunnelled migrations: lets other hosts' agents through to the processes that wait here. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { TlsCredentials } from '#hypervisor';
import type { Log } from '../../log.js';
import { ACCEPTED, contextOf, Greeting, OPENING_MS, readLine } from './channel.js';

/** Where waiting processes listen for what comes out of a tunnel: nobody else on the network reaches them. */
export const EXIT_ADDRESS = '127.0.0.1';

export interface ExitPorts {
  /** This host's; throws VmRefusal while it has none. */
  credentials(): TlsCredentials;
  /** At which port of EXIT_ADDRESS the channel ends. Throws VmRefusal if the greeting is good for none. */
  portOf(greeting: Greeting): number;
}

export class TunnelExit {
  private readonly server = createServer((socket) => void this.serve(socket));

  constructor(
    private readonly ports: ExitPorts,
    private readonly log: Log,
  ) {}

  /** Port 0: any free one. Resolves with the port; rejects as net.Server does. */
  async listen(bind: string, port: number): Promise<number> {
    this.server.listen(port, bind);
    await once(this.server, 'listening');
    return (this.server.address() as AddressInfo).port;
  }

  private async serve(socket: Socket): Promise<void> {
    socket.on('error', () => undefined); // whoever waits for it hears
    const late = setTimeout(() => socket.destroy(), OPENING_MS);
    try {
      const [caller, process] = await this.open(socket);
      clearTimeout(late);
      await pipeline(caller, process, caller);
    } catch (error) {
      this.log.debug(`a connection of a tunnelled migration ended: ${(error as Error).message}`);
    } finally {
      clearTimeout(late);
      socket.destroy();
    }
  }

  private async open(socket: Socket): Promise<[TLSSocket, Socket]> {
    const caller = await admit(socket, this.ports.credentials());
    try {
      const greeting = Greeting.parse(JSON.parse(await readLine(caller)));
      const process = connect(this.ports.portOf(greeting), EXIT_ADDRESS);
      await once(process, 'connect');
      for (const each of [caller, process]) each.setNoDelay(true);
      caller.write(`${ACCEPTED}\n`);
      return [caller, process];
    } catch (error) {
      caller.end(`${(error as Error).message.replaceAll('\n', ' ')}\n`);
      throw error;
    }
  }
}

/** Rejects if the caller shows no certificate of the same authority. */
function admit(socket: Socket, credentials: TlsCredentials): Promise<TLSSocket> {
  const handshake = createTlsServer({ ...contextOf(credentials), requestCert: true, rejectUnauthorized: true });
  return new Promise((resolve, reject) => {
    handshake.once('secureConnection', resolve);
    handshake.once('tlsClientError', reject);
    socket.once('close', () => reject(new Error('the connection was closed')));
    handshake.emit('connection', socket);
  });
}
