/** The command line of a VM on QEMU: pure. The same on every host, or the guest could not move. */
import type { LaunchSpec } from './hypervisor.js';
import { agentArguments, balloonArguments, escaped, qmpOption, type VmSockets } from './process-driver.js';
import { MACHINES } from './qemu-machines.js';
import type { QemuProgram } from './qemu-programs.js';

/** Translated code that TCG keeps; its default is an eighth of the host's memory. */
const TRANSLATED_MIB = 128;
const ACCELERATORS = { kvm: 'kvm', tcg: `tcg,tb-size=${TRANSLATED_MIB}` } as const;
const SANDBOX = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';

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
  // It listens and the switch connects: a connection of its own making it would not open again (before QEMU 8.0).
  const nics = spec.nics.flatMap(({ socket, mac }, index) => [
    ...['-netdev', `stream,id=nic${index},addr.type=unix,addr.path=${escaped(socket)},server=on`],
    ...['-device', `virtio-net-${bus},id=net${index},netdev=nic${index},mac=${mac}${bus === 'pci' ? ',romfile=' : ''}`],
  ]);
  return [
    ...['-nodefaults', '-no-user-config'],
    ...Object.entries(options).flat(),
    ...more,
    ...balloonArguments(spec, bus),
    ...nics,
    ...agentArguments(spec, bus, agentSocket),
    ...['-S', ...(spec.incoming ? ['-incoming', 'defer'] : [])],
  ];
}
