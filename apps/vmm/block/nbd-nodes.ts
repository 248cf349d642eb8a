/** Disks of other NBD servers that this process has opened, by node-name. */
import { NbdClient } from '#nbd';
import { connectTo, type MigrationAddress } from '../migration-address.js';
import { type ClientTls, encrypt } from '../migration-tls.js';
import { socketStream } from './nbd-socket.js';

/** An NBD server has this long to answer until an export is chosen. */
const OPEN_TIMEOUT_MS = 10_000;

export interface NbdNode {
  readonly name: string;
  readonly client: NbdClient;
}

export class NbdNodes {
  private readonly nodes = new Map<string, NbdNode>();

  /** Connects and chooses the export. `tls`: null: not encrypted. Rejects with an Error that says what failed. */
  async open(name: string, address: MigrationAddress, exportName: string, tls: ClientTls | null): Promise<NbdNode> {
    if (this.nodes.has(name)) throw new Error(`Duplicate nodes with node-name='${name}'`);
    const late = AbortSignal.timeout(OPEN_TIMEOUT_MS);
    const socket = await connectTo(address, late);
    const giveUp = () => socket.destroy(new Error(`no answer within ${OPEN_TIMEOUT_MS / 1000} s`));
    late.addEventListener('abort', giveUp);
    const secured = tls && (async () => socketStream(await encrypt(socket, tls.credentials, tls.hostname, late)));
    const client = await NbdClient.open(socketStream(socket), exportName, secured).finally(() =>
      late.removeEventListener('abort', giveUp),
    );
    const node = { name, client };
    this.nodes.set(name, node);
    void client.closed.then(() => this.nodes.delete(name));
    return node;
  }

  find(name: string): NbdNode | undefined {
    return this.nodes.get(name);
  }
}
