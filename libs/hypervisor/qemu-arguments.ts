/** The command line of a VM on QEMU: pure. The same on every host, or the guest could not move. */
import type { LaunchSpec } from './hypervisor.js';
import { driveId } from './mirrors.js';
import { agentArguments, balloonArguments, escaped, qmpOption, type VmSockets } from './process-driver.js';
import { MACHINES } from './qemu-machines.js';
import type { QemuProgram } from './qemu-programs.js';

/** Translated code that TCG keeps; its default is an eighth of the host's memory. */
const TRANSLATED_MIB = 128;
const ACCELERATORS = { kvm: 'kvm', tcg: `tcg,tb-size=${TRANSLATED_MIB}` } as const;
const SANDBOX = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

/** Id of the node of a disk's file. */
const fileId = (disk: string) => `file-${disk}`;

/** Nothing secret is in it, for everybody on the host can read it. */
export function qemuArguments(
  spec: LaunchSpec,
  { qmpSocket, agentSocket }: VmSockets,
  { architecture, accelerator }: Pick<QemuProgram, 'architecture' | 'accelerator'>,
): string[] {
  const { machine, cpu, bus, more } = MACHINES[architecture];
  const options = {
    '-machine': machine,
    '-accel': ACCELERATORS[accelerator],
    '-cpu': cpu,
    '-m': `${spec.memoryMiB}M`,
    '-smp': String(spec.vcpus),
    '-kernel': spec.kernel,
    ...(spec.initrd !== undefined && { '-initrd': spec.initrd }),
    '-append': spec.append,
    '-uuid': spec.vmId,
    '-display': 'none',
    '-chardev': 'stdio,id=console,signal=off',
    '-serial': 'chardev:console',
    '-qmp': qmpOption(qmpSocket),
    '-sandbox': SANDBOX,
  };
  // In the first slots, as on Drover's own board; QEMU would fill virtio-mmio from the last one on.
  const slot = (index: number) => (bus === 'device' ? `,bus=virtio-mmio-bus.${index}` : '');
  const disks = spec.disks.flatMap(({ name, path }, index) => [
    ...['-blockdev', `driver=file,node-name=${fileId(name)},filename=${escaped(path)},discard=unmap`],
    ...['-blockdev', `driver=raw,node-name=${driveId(name)},file=${fileId(name)},discard=unmap`],
    ...['-device', `virtio-blk-${bus},drive=${driveId(name)},serial=${name}${slot(index)}`],
  ]);
  // It listens and the switch connects: a connection of its own making it would not open again (before QEMU 8.0).
  const nics = spec.nics.flatMap(({ socket, mac }, index) => [
    ...['-netdev', `stream,id=nic${index},addr.type=unix,addr.path=${escaped(socket)},server=on`],
    ...['-device', `virtio-net-${bus},id=net${index},netdev=nic${index},mac=${mac}${bus === 'pci' ? ',romfile=' : ''}`],
  ]);
  return [
    ...['-nodefaults', '-no-user-config'],
    ...Object.entries(options).flat(),
    ...more,
    ...disks,
    ...balloonArguments(spec, bus),
    ...nics,
    ...agentArguments(spec, bus, agentSocket),
    ...['-S', ...(spec.incoming ? ['-incoming', 'defer'] : [])],
  ];
}
