/** The other end of the guest's serial line: standard input and output, a file, a socket for many clients, or nobody. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { removeStaleSocket } from '#qmp';
import type { SerialOption } from './options.js';

export interface Serial {
  /** Takes what the guest prints; it is written with what else comes in the same turn. */
  output(bytes: Uint8Array): void;
  /** Writes what was taken and lets go. */
  close(): Promise<void>;
}

export interface SerialPorts {
  /** Somebody has typed. */
  input(bytes: Uint8Array): void;
  /** Ctrl-A X on a terminal. */
  quit(): void;
}

/** What a client that comes late still sees. */
const HISTORY_BYTES = 64 * 1024;
/** A client that does not read is dropped before the guest's output fills this process's memory. */
const MAX_UNREAD_BYTES = 4 * 1024 * 1024;

const CTRL_A = 1;
const KEY_X = 'x'.charCodeAt(0);

/** Opens the line. Throws if the file or socket cannot be opened. */
export async function openSerial(option: SerialOption, rawTerminal: boolean, ports: SerialPorts): Promise<Serial> {
  switch (option.kind) {
    case 'null':
      return { output: () => {}, close: async () => {} };
    case 'stdio':
      return openStdio(rawTerminal, ports);
    case 'file':
      return openFile(option.path);
    case 'unix':
      return await openSocket(option.path, ports);
  }
}

/** Collects bytes and passes them on once in a turn of the event loop. */
class Batch {
  private parts: Uint8Array[] = [];

  constructor(private readonly pass: (bytes: Uint8Array) => void) {}

  add(bytes: Uint8Array): void {
    if (this.parts.length === 0) setImmediate(() => this.flush());
    this.parts.push(bytes);
  }

  flush(): void {
    if (this.parts.length === 0) return;
    const bytes = Buffer.concat(this.parts);
    this.parts = [];
    this.pass(bytes);
  }
}

function openStdio(rawTerminal: boolean, ports: SerialPorts): Serial {
  process.stdout.on('error', () => {}); // whoever read it is gone: the guest goes on unheard
  const { stdin } = process;
  const raw = rawTerminal && stdin.isTTY;
  if (raw) stdin.setRawMode(true);
  let escaped = false;
  stdin.on('data', (chunk: Buffer) => {
    if (!raw) return ports.input(chunk);
    for (const byte of chunk) {
      if (escaped && byte === KEY_X) ports.quit();
      else if (escaped || byte !== CTRL_A) ports.input(Uint8Array.of(byte));
      escaped = !escaped && byte === CTRL_A;
    }
  });
  const batch = new Batch((bytes) => process.stdout.write(bytes));
  return {
    output: (bytes) => batch.add(bytes),
    close: async () => {
      batch.flush();
      if (raw) stdin.setRawMode(false);
      stdin.pause();
      await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
    },
  };
}

function openFile(path: string): Serial {
  const file = openSync(path, 'w');
  const batch = new Batch((bytes) => {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at);
  });
  return {
    output: (bytes) => batch.add(bytes),
    close: async () => {
      batch.flush();
      closeSync(file);
    },
  };
}

async function openSocket(path: string, ports: SerialPorts): Promise<Serial> {
  await removeStaleSocket(path);
  const clients = new Set<Socket>();
  let history: Uint8Array = Buffer.alloc(0);
  const batch = new Batch((bytes) => {
    history = Buffer.concat([history, bytes]).subarray(-HISTORY_BYTES);
    for (const client of clients) {
      client.write(bytes);
      if (client.writableLength > MAX_UNREAD_BYTES) client.destroy();
    }
  });
  const server = createServer((client) => {
    batch.flush();
    client.write(history);
    clients.add(client);
    client.on('data', (bytes) => ports.input(Buffer.from(bytes)));
    client.on('error', () => client.destroy());
    client.on('close', () => clients.delete(client));
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(path, resolve));
  return {
    output: (bytes) => batch.add(bytes),
    close: async () => {
      batch.flush();
      const ended = [...clients].map((client) => new Promise<void>((resolve) => client.end(resolve)));
      server.close();
      await Promise.race([Promise.all(ended), new Promise((resolve) => setTimeout(resolve, 500))]);
    },
  };
}
