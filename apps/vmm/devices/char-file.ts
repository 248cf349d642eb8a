/** `-chardev file`: what the guest sends goes into a file; nothing ever comes back. */
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import type { PortEvents } from '#vmm';
import type { Chardev } from './chardev.js';

/** Throws an Error if the file cannot be opened. An error that comes later is told once; what follows it is lost. */
export async function openCharFile(
  path: string,
  append: boolean,
  complain: (reason: string) => void,
): Promise<Chardev> {
  const file = createWriteStream(path, { flags: append ? 'a' : 'w' });
  await once(file, 'open');
  let isOpen = true;
  let port: PortEvents | undefined;
  file.on('drain', () => port?.writable());
  file.on('error', (error) => {
    isOpen = false;
    complain(error.message);
    port?.openChanged();
  });
  return {
    filename: path,
    get isOpen() {
      return isOpen;
    },
    get isFull() {
      return file.writableNeedDrain;
    },
    write: (bytes) => void file.write(bytes),
    readMore: () => undefined,
    attach: (events) => (port = events),
    close: () => new Promise((resolve) => (isOpen ? file.end(resolve) : resolve())),
  };
}
