/**
 * Tunnels between the switches of hosts: for each pair of hosts one connection in each direction. TLS with a key that
 * the controller gives to the one that connects and that the other derives from its own token (RFC 4279, ECDHE for
 * forward secrecy): whoever does not know it gets no frame in and none out.
 */
import { createHmac } from 'node:crypto';
import { connect, createServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import type { AddressInfo, Socket } from 'node:net';
import {
  MAX_TUNNEL_BYTES,
  MessageReader,
  PREFIX_BYTES,
  readTunnelMessage,
  tunnelHeader,
  tunnelNetworks,
} from '#network';
import { Outlet } from './outlet.js';

const TLS = {
  ciphers: 'ECDHE-PSK-CHACHA20-POLY1305',
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.2', // Node.js has no pre-shared keys of TLS 1.3
} as const;
const KEEP_ALIVE_MS = 5_000;
const HANDSHAKE_TIMEOUT_MS = 5_000;
const RETRY_MS = 500;

/** A host to which frames go. */
export interface Peer {
  readonly hostId: string;
  /** HOST:PORT. */
  readonly address: string;
  /** See tunnelKey. */
  readonly key: string;
}

/** base64url(HMAC-SHA256(token of the agent that listens, "tunnel:FROM:TO")), with host ids, as in contracts' Peer. */
export const tunnelKey = (agentToken: string, from: string, to: string): string =>
  createHmac('sha256', agentToken).update(`tunnel:${from}:${to}`).digest('base64url');

export interface TunnelListenerPorts {
  /** The key that a host must know to be let in; null for one that is not let in. */
  keyFor(hostId: string): string | null;
  onPacket(from: string, network: string, packet: Uint8Array): void;
  log(message: string): void;
}

/** Takes frames from other hosts, and tells them which networks it wants frames of. */
export class TunnelListener {
  private readonly server: TlsServer;
  private readonly callers = new Map<string, TLSSocket>();
  private networks: readonly string[] = [];
  private lastRefusal = '';

  constructor(private readonly ports: TunnelListenerPorts) {
    /** Who has shown the key of which host. */
    const shown = new WeakMap<Socket, string>();
    this.server = createServer({
      ...TLS,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      pskCallback: (socket, from) => {
        const key = ports.keyFor(from);
        if (key !== null) shown.set(socket, from);
        return key === null ? null : Buffer.from(key, 'base64url');
      },
    });
    this.server.on('secureConnection', (socket) => this.accept(socket, shown.get(socket)!));
    this.server.on('tlsClientError', (error) => this.refused(error.message));
  }

  /** Listens; resolves with the port. Rejects if the address cannot be used. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject).listen(port, host, () => {
        this.server.off('error', reject);
        resolve();
      });
    });
    return (this.server.address() as AddressInfo).port;
  }

  /** Tells all peers, and those to come, which networks have ports here. */
  want(networks: readonly string[]): void {
    this.networks = networks;
    for (const caller of this.callers.values()) caller.write(tunnelNetworks(networks));
  }

  /** Closes the connections of those that are no peers any more. */
  review(isPeer: (hostId: string) => boolean): void {
    for (const [hostId, caller] of this.callers) if (!isPeer(hostId)) caller.destroy();
  }

  close(): void {
    this.server.close();
    for (const caller of this.callers.values()) caller.destroy();
  }

  private accept(socket: TLSSocket, from: string): void {
    this.lastRefusal = '';
    this.callers.get(from)?.destroy();
    this.callers.set(from, socket);
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    const reader = new MessageReader(MAX_TUNNEL_BYTES);
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.read(chunk)) this.take(from, message.subarray(PREFIX_BYTES));
      } catch (error) {
        this.ports.log(`the tunnel from host ${from}: ${(error as Error).message}`);
        socket.destroy();
      }
    });
    socket.on('error', () => socket.destroy()); // its host connects again
    socket.on('close', () => {
      if (this.callers.get(from) === socket) this.callers.delete(from);
    });
    socket.write(tunnelNetworks(this.networks));
  }

  /** Says each reason once, not for each attempt. */
  private refused(reason: string): void {
    if (reason !== this.lastRefusal) this.ports.log(`a tunnel was refused: ${reason}`);
    this.lastRefusal = reason;
  }

  private take(from: string, content: Uint8Array): void {
    const message = readTunnelMessage(content);
    if (message.kind === 'packet') this.ports.onPacket(from, message.network, message.packet);
  }
}

export interface TunnelLinkPorts {
  /** The networks that the other host wants frames of; none while it is not connected. */
  onNetworks(networks: readonly string[]): void;
  log(message: string): void;
}

/** Brings frames to one other host, over a connection that is made again whenever it is lost. */
export class TunnelLink {
  private socket: TLSSocket;
  private outlet: Outlet | null = null;
  private retry: NodeJS.Timeout | undefined;
  private isClosed = false;
  private lastError = '';

  constructor(
    private readonly from: string,
    readonly peer: Peer,
    private readonly ports: TunnelLinkPorts,
  ) {
    this.socket = this.connect();
  }

  send(network: string, packet: Uint8Array): void {
    this.outlet?.send(tunnelHeader(network, packet.length), packet);
  }

  close(): void {
    this.isClosed = true;
    clearTimeout(this.retry);
    this.socket.destroy();
  }

  private connect(): TLSSocket {
    const { from, peer } = this;
    const { hostname, port } = new URL(`tunnel://${peer.address}`);
    const psk = Buffer.from(peer.key, 'base64url');
    const socket = connect({
      ...TLS,
      host: hostname.replace(/^\[(.*)\]$/, '$1'),
      port: Number(port),
      checkServerIdentity: () => undefined, // the key proves it: there is no certificate
      pskCallback: () => ({ psk, identity: from }),
    });
    socket.setNoDelay(true).setKeepAlive(true, KEEP_ALIVE_MS);
    const reader = new MessageReader(MAX_TUNNEL_BYTES);
    socket.on('secureConnect', () => {
      this.say('');
      this.outlet = new Outlet(socket);
    });
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.read(chunk)) this.take(message.subarray(PREFIX_BYTES));
      } catch (error) {
        socket.destroy(error as Error);
      }
    });
    socket.on('error', (error) => this.say(error.message));
    socket.on('close', () => this.lost());
    return socket;
  }

  private take(content: Uint8Array): void {
    const message = readTunnelMessage(content);
    if (message.kind === 'networks') this.ports.onNetworks(message.networks);
  }

  private lost(): void {
    if (this.isClosed) return;
    this.outlet = null;
    this.ports.onNetworks([]);
    this.retry = setTimeout(() => (this.socket = this.connect()), RETRY_MS);
  }

  /** Says each change once, not at each attempt. */
  private say(error: string): void {
    if (error === this.lastError) return;
    this.lastError = error;
    const { hostId, address } = this.peer;
    this.ports.log(error ? `no tunnel to host ${hostId} (${address}): ${error}` : `tunnel to host ${hostId} again`);
  }
}
