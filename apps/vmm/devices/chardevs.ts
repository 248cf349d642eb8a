/** `-chardev`: files and sockets of the host that ports of the guest speak to. */
import type { QmpServer } from '#qmp';
import { UsageError } from '../usage-error.js';
import { openCharFile } from './char-file.js';
import { openCharSocket } from './char-socket.js';
import type { Chardev } from './chardev.js';
import { parseProperties } from './properties.js';

/** One line for whoever reads this process's complaints. */
type Log = (line: string) => void;

const NULL: Chardev = {
  filename: 'null',
  isOpen: false,
  isFull: false,
  write: () => undefined,
  readMore: () => undefined,
  attach: () => undefined,
  close: async () => undefined,
};

async function openChardev(text: string, log: Log): Promise<{ readonly id: string; readonly chardev: Chardev }> {
  const { first, properties } = parseProperties('chardev', text);
  const id = properties.required('id');
  const complain = (reason: string) => log(`chardev ${id}: ${reason}`);
  const open = async (): Promise<Chardev> => {
    switch (first) {
      case 'null':
        return NULL;
      case 'file':
        return openCharFile(
          properties.required('path'),
          properties.oneOf('append', ['on', 'off'], 'off') === 'on',
          complain,
        );
      case 'socket':
        if (properties.oneOf('server', ['on', 'off'], 'off') === 'off') throw properties.error('give server=on');
        if (properties.oneOf('wait', ['on', 'off'], 'on') === 'on') throw properties.error('give wait=off');
        return await openCharSocket(properties.required('path'));
      default:
        throw properties.error('unknown backend; there are socket, file and null');
    }
  };
  try {
    const chardev = await open();
    properties.end();
    return { id, chardev };
  } catch (error) {
    throw error instanceof UsageError ? error : properties.error((error as Error).message);
  }
}

/** All chardevs of a VM; each is for one port. */
export class Chardevs {
  private readonly free: Set<string>;
  /** Those whose port the guest has opened. */
  private readonly opened = new Set<string>();

  constructor(readonly all: ReadonlyMap<string, Chardev>) {
    this.free = new Set(all.keys());
  }

  /** The chardev that a port names. Throws an Error if there is none, or another port has it. */
  take(id: string): Chardev {
    const chardev = this.all.get(id);
    if (!chardev) throw new Error(`there is no -chardev with id=${id}`);
    if (!this.free.delete(id)) throw new Error(`chardev ${id} has a port already`);
    return chardev;
  }

  noteGuestOpen(id: string, isOpen: boolean): void {
    if (isOpen) this.opened.add(id);
    else this.opened.delete(id);
  }

  isGuestOpen(id: string): boolean {
    return this.opened.has(id);
  }

  async close(): Promise<void> {
    for (const chardev of this.all.values()) await chardev.close();
  }
}

/** Opens every chardev. Throws a UsageError that names the option; nothing stays open then. */
export async function openChardevs(texts: readonly string[], log: Log): Promise<Chardevs> {
  const all = new Map<string, Chardev>();
  try {
    for (const text of texts) {
      const { id, chardev } = await openChardev(text, log);
      if (all.has(id)) {
        await chardev.close();
        throw new UsageError(`-chardev ${text}: another chardev has id=${id}`);
      }
      all.set(id, chardev);
    }
  } catch (error) {
    await new Chardevs(all).close();
    throw error;
  }
  return new Chardevs(all);
}

/** `query-chardev` (QEMU, qapi/char.json); `frontend-open`: the guest has opened the port. */
export function registerChardevCommands(qmp: QmpServer, chardevs: Chardevs): void {
  qmp.register('query-chardev', {}, () =>
    [...chardevs.all].map(([label, { filename }]) => ({
      label,
      filename,
      'frontend-open': chardevs.isGuestOpen(label),
    })),
  );
}
