/** All that this process does with disks beside the guest: exports, mirrors, and who may write when. */
import type { QmpServer } from '#qmp';
import type { Drives } from '../devices/drives.js';
import { MONOTONIC } from '../monotonic.js';
import type { TlsObjects } from '../tls-credentials.js';
import type { VmHost } from '../vm.js';
import { registerMirrorCommands } from './mirror-commands.js';
import { tellOfJobs } from './mirror-events.js';
import { MirrorJobs } from './mirror-jobs.js';
import { registerNbdCommands, type ExportRules } from './nbd-commands.js';
import { NbdNodes } from './nbd-nodes.js';
import { NbdServer } from './nbd-server.js';

export interface BlockLayer {
  readonly disks: VmHost['disks'];
  close(): Promise<void>;
}

export function openBlockLayer(
  qmp: QmpServer,
  drives: Drives,
  tlsObjects: TlsObjects,
  rules: ExportRules,
  log: (line: string) => void,
): BlockLayer {
  const server = new NbdServer(log);
  const jobs = new MirrorJobs(tellOfJobs(qmp));
  registerNbdCommands(qmp, { server, drives, tlsObjects, rules });
  registerMirrorCommands(qmp, { drives, nodes: new NbdNodes(), jobs, tlsObjects, clock: MONOTONIC });
  return {
    disks: {
      lock: () => drives.lock(),
      check: async () => {
        await server.endWriters();
        drives.check();
      },
      release: async (mirrors) => {
        await jobs.completeAll(mirrors);
        await drives.release();
      },
    },
    close: () => server.stop(),
  };
}
