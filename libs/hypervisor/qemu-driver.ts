/** Driver `qemu`: a real QEMU for each VM, of one architecture. */
import type { QmpClient } from '#qmp';
import type { LaunchSpec, VmHandle, VmProcess } from './hypervisor.js';
import type { Isolation } from './isolation/isolation.js';
import { ProcessDriver, type VmSockets } from './process-driver.js';
import { qemuArguments } from './qemu-arguments.js';
import { QemuProcess } from './qemu-process.js';
import type { QemuArchitecture } from './qemu-machines.js';
import { KVM, type QemuProgram } from './qemu-programs.js';
import type { Exit } from './qmp-process.js';

export class QemuDriver extends ProcessDriver {
  protected override readonly devices: readonly string[];

  /** `program`: null if the host has none; then processes that run already are seen to, and no other is started. */
  constructor(
    private readonly architecture: QemuArchitecture,
    private readonly program: QemuProgram | null,
    isolation: Isolation,
  ) {
    super(isolation);
    this.devices = program?.accelerator === 'kvm' ? [KVM] : [];
  }

  protected command(spec: LaunchSpec, sockets: VmSockets): string[] {
    if (!this.program) throw new Error(`this host has no qemu-system-${this.architecture}, version 7.2 or later`);
    return [this.program.path, ...qemuArguments(spec, sockets, this.program)];
  }

  protected attach(handle: VmHandle, qmp: QmpClient, exit: Promise<Exit>): VmProcess {
    return new QemuProcess(handle, qmp, exit, this.architecture);
  }
}
