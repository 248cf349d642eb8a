/** Where the memory of a VM that has left is kept. */
import { join } from 'node:path';

/** The one folder in which a VM's process may write beside its sockets; `folder`: the VM's own (VmPlace). */
export const checkpointFolder = (folder: string): string => join(folder, 'checkpoint');

/** Its process writes another name until it is complete. */
export const checkpointFile = (folder: string): string => join(checkpointFolder(folder), 'memory');
