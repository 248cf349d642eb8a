/** The source's end of tunnelled migrations: Unix sockets that a VM's process takes for the destination. */
import { once } from 'node:events';
import { lchownSync, rmSync, statSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { connect, type TLSSocket } from 'node:tls';
import type { ClientCredentials } from '#hypervisor';
import type { Log } from '../../log.js';
import { ACCEPTED, type Channel, contextOf, type Greeting, OPENING_MS, readLine } from './channel.js';

/** In the folder of the process's other sockets. */
const SOCKETS: Readonly<Record<Channel, string>> = { memory: 'ram.sock', disks: 'nbd.sock' };

/** Where a tunnel leads, and what is shown there. */
export interface TunnelWay extends Omit<Greeting, 'channel'> {
  readonly host: string;
  readonly port: number;
  readonly tls: ClientCredentials;
}

export class TunnelEntrances {
  private readonly open = new Map<string, { readonly folder: string; readonly servers: readonly Server[] }>();

  constructor(private readonly log: Log) {}

  /** Resolves with the sockets' paths, in `folder`; what is open already is opened anew. */
  async dig(folder: string, way: TunnelWay): Promise<Record<Channel, string>> {
    this.close(way.migrationId);
    const paths = pathsIn(folder);
    const servers = await Promise.all(
      (['memory', 'disks'] as const).map(async (channel) => {
        rmSync(paths[channel], { force: true });
        const server = createServer((socket) => void this.carry(socket, { ...way, channel }));
        await once(server.listen(paths[channel]), 'listening');
        const { uid, gid } = statSync(folder);
        lchownSync(paths[channel], uid, gid); // the process's own user; never through a link
        return server;
      }),
    );
    this.open.set(way.migrationId, { folder, servers });
    return paths;
  }

  /** No further connection goes through; those that are open end with the processes. */
  close(migrationId: string): void {
    const entrance = this.open.get(migrationId);
    if (!entrance) return;
    for (const server of entrance.servers) server.close();
    for (const path of Object.values(pathsIn(entrance.folder))) rmSync(path, { force: true });
    this.open.delete(migrationId);
  }

  private async carry(socket: Socket, way: TunnelWay & { readonly channel: Channel }): Promise<void> {
    socket.on('error', () => undefined); // the pipeline hears
    const { migrationId, channel } = way;
    try {
      const secure = await reach(way);
      await pipeline(socket, secure, socket);
    } catch (error) {
      this.log.info({ migrationId, channel }, `a connection of the tunnel ended: ${(error as Error).message}`);
    } finally {
      socket.destroy();
    }
  }
}

const pathsIn = (folder: string): Record<Channel, string> => ({
  memory: join(folder, SOCKETS.memory),
  disks: join(folder, SOCKETS.disks),
});

/** Rejects if the other end is not the host that was meant, or refuses. */
async function reach({ host, port, tls, migrationId, channel, ticket }: TunnelWay & Greeting): Promise<TLSSocket> {
  const secure = connect({ ...contextOf(tls), host, port, servername: tls.peer });
  const signal = AbortSignal.timeout(OPENING_MS);
  const giveUp = () => secure.destroy(new Error(`${host}:${port} does not answer`));
  signal.addEventListener('abort', giveUp);
  try {
    await once(secure, 'secureConnect');
    secure.setNoDelay(true);
    secure.write(`${JSON.stringify({ migrationId, channel, ticket } satisfies Greeting)}\n`);
    const answer = await readLine(secure);
    if (answer !== ACCEPTED) throw new Error(`the destination refused: ${answer}`);
    return secure;
  } catch (error) {
    secure.destroy();
    throw error;
  } finally {
    signal.removeEventListener('abort', giveUp);
  }
}
