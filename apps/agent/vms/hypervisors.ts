/** What VMs can run on at this host: Drover's own VMM, and the QEMUs that are installed. */
import type { HostDriver, VmSpec } from '#contracts';
import {
  findQemus,
  maxMemoryMiBOf,
  type Hypervisor,
  type Isolation,
  QEMU_ARCHITECTURES,
  QemuDriver,
  type QemuProgram,
  VmmDriver,
} from '#hypervisor';

type Driven = Pick<VmSpec, 'hypervisor' | 'architecture'>;

const keyOf = ({ hypervisor = 'drover', architecture = 'riscv64' }: Driven) => `${hypervisor}/${architecture}`;

export class Hypervisors {
  private readonly drivers: ReadonlyMap<string, Hypervisor>;

  private constructor(
    own: Hypervisor,
    qemus: readonly QemuProgram[],
    isolation: Isolation,
    /** What is told of them. */
    readonly told: readonly HostDriver[],
  ) {
    const installed = (architecture: string) => qemus.find((each) => each.architecture === architecture) ?? null;
    this.drivers = new Map<string, Hypervisor>([
      [keyOf({}), own],
      ...QEMU_ARCHITECTURES.map((architecture) => {
        const driver = new QemuDriver(architecture, installed(architecture), isolation);
        return [keyOf({ hypervisor: 'qemu', architecture }), driver] as const;
      }),
    ]);
  }

  /** `vmmProgram`: Drover's own VMM, of that version. QEMUs are looked for in PATH. */
  static async find(vmmProgram: string, version: string, isolation: Isolation): Promise<Hypervisors> {
    const [qemus, maxMemoryMiB] = await Promise.all([findQemus(), maxMemoryMiBOf(vmmProgram)]);
    const kind = { hypervisor: 'drover', architecture: 'riscv64', accelerator: 'drover', version } as const;
    const own = { ...kind, ...(maxMemoryMiB !== null && { maxMemoryMiB }) };
    const others = qemus.map((qemu) => {
      const { architecture, accelerator } = qemu;
      return { hypervisor: 'qemu', architecture, accelerator, version: qemu.version } as const;
    });
    return new Hypervisors(new VmmDriver(vmmProgram, isolation), qemus, isolation, [own, ...others]);
  }

  /** The driver of a VM. Throws an Error if there is none such. */
  of(spec: Driven): Hypervisor {
    const driver = this.drivers.get(keyOf(spec));
    if (!driver) throw new Error(`there is no driver ${keyOf(spec)}`);
    return driver;
  }
}
