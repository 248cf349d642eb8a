/** Driver `vmm`: Drover's own VMM. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { QmpClient } from '#qmp';
import type { LaunchSpec, VmHandle, VmProcess } from './hypervisor.js';
import type { Isolation } from './isolation/isolation.js';
import {
  agentArguments,
  balloonArguments,
  escaped,
  ProcessDriver,
  qmpOption,
  type VmSockets,
} from './process-driver.js';
import type { Exit } from './qmp-process.js';
import { driveId } from './mirrors.js';
import { VmmProcess } from './vmm-process.js';

/** How often a VM whose switch is gone, because its agent is, looks for it. */
const RECONNECT_MS = 100;

/** A card; one with a device of the host beside it is the standby of a failover pair. */
function nicArguments({ socket, mac, hostDevice }: LaunchSpec['nics'][number], index: number): string[] {
  const card = (id: string, path: string, more: string) => [
    '-netdev',
    `stream,id=nic-${id},addr.type=unix,addr.path=${escaped(path)},server=off,vnet_hdr=on,reconnect-ms=${RECONNECT_MS}`,
    '-device',
    `virtio-net-device,id=${id},netdev=nic-${id},mac=${mac}${more}`,
  ];
  if (!hostDevice) return card(`net${index}`, socket, '');
  return [
    ...card(`net${index}`, socket, ',failover=on'),
    ...card(`host${index}`, hostDevice.socket, `,failover_pair_id=net${index}`),
  ];
}

/** What the VMM is started with, in QEMU's words. */
export function vmmArguments(spec: LaunchSpec, { qmpSocket, agentSocket }: VmSockets): string[] {
  const options = {
    '-m': `${spec.memoryMiB}M`,
    '-smp': String(spec.vcpus),
    '-kernel': spec.kernel,
    ...(spec.initrd !== undefined && { '-initrd': spec.initrd }),
    '-append': spec.append,
    '-uuid': spec.vmId,
    '-serial': 'stdio',
    '-qmp': qmpOption(qmpSocket),
  };
  const disks = spec.disks.flatMap(({ name, path }) => [
    ...['-drive', `file=${escaped(path)},format=raw,if=none,id=${driveId(name)},discard=unmap`],
    ...['-device', `virtio-blk-device,drive=${driveId(name)},serial=${name}`],
  ]);
  const nics = spec.nics.flatMap((nic, index) => nicArguments(nic, index));
  return [
    ...disks,
    ...Object.entries(options).flat(),
    ...balloonArguments(spec, 'device'),
    ...nics,
    ...agentArguments(spec, 'device', agentSocket),
    ...(spec.incoming ? ['-incoming', 'defer'] : ['-S']),
  ];
}

const ANSWER_TIMEOUT_MS = 20_000;

/** The most memory that the VMM (its main.js) gives a guest under this Node.js, as it says itself; null: it does not say. */
export async function maxMemoryMiBOf(program: string): Promise<number | null> {
  const answer = promisify(execFile)(process.execPath, [program, '-version'], { timeout: ANSWER_TIMEOUT_MS });
  const text = await answer.then(
    ({ stdout }) => stdout,
    () => '', // a VMM that cannot say its version says why when a VM is started
  );
  const most = /^guest memory: \d+ to (\d+) MiB$/m.exec(text)?.[1];
  return most === undefined ? null : Number(most);
}

export class VmmDriver extends ProcessDriver {
  /** `program`: the VMM's main.js; it runs under this Node.js. */
  constructor(
    private readonly program: string,
    isolation: Isolation,
  ) {
    super(isolation);
  }

  protected command(spec: LaunchSpec, sockets: VmSockets): string[] {
    return [process.execPath, this.program, ...vmmArguments(spec, sockets), ...this.isolation.vmmArguments];
  }

  protected attach(handle: VmHandle, qmp: QmpClient, exit: Promise<Exit>): VmProcess {
    return new VmmProcess(handle, qmp, exit);
  }
}
