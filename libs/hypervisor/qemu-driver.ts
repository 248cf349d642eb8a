/** Driver `qemu`: a real QEMU for each VM, of one architecture. */
import type { QmpClient } from '#qmp';
import type { LaunchSpec, VmHandle, VmProcess } from './hypervisor.js';
import type { Isolation } from './isolation/isolation.js';
import { ProcessDriver, type VmSockets } from './process-driver.js';
import { qemuArguments } from './qemu-arguments.js';
import { QemuProcess } from './qemu-process.js';
import type { QemuProgram } from './qemu-programs.js';
import type { Exit } from './qmp-process.js';

export class QemuDriver extends ProcessDriver {
  constructor(
    private readonly program: QemuProgram,
    isolation: Isolation,
  ) {
    super(isolation);
  }

  protected command(spec: LaunchSpec, sockets: VmSockets): string[] {
    return [this.program.path, ...qemuArguments(spec, sockets, this.program)];
  }

  protected attach(handle: VmHandle, qmp: QmpClient, exit: Promise<Exit>): VmProcess {
    return new QemuProcess(handle, qmp, exit, this.program.architecture);
  }
}
