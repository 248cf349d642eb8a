import { z } from 'zod';
import { Labels } from './affinity.js';
import { Id, Name, PageQuery, Timestamp } from './common.js';
import { CreateDisk, Disk, MAX_DISKS } from './storage.js';
import { MigrationPrediction } from './convergence.js';

export const VmStatus = z.enum(['down', 'starting', 'up', 'paused', 'migrating', 'stopping', 'unknown']);
export type VmStatus = z.infer<typeof VmStatus>;

/** Name of a guest image in the hosts' image folders: a file NAME.elf, or a folder NAME with kernel and initrd. */
const Image = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "name an image in the hosts' image folders, such as linux or pager");

/** What runs it: Drover's own VMM, or the host's QEMU. */
export const HypervisorName = z.enum(['drover', 'qemu']);
export type HypervisorName = z.infer<typeof HypervisorName>;

export const Architecture = z.enum(['riscv64', 'x86_64']);
export type Architecture = z.infer<typeof Architecture>;

/** A network of VMs: those of one name in a cluster are on the same Ethernet, on whatever hosts they run. */
export const NetworkName = Name;

/**
 * A device of a host that a guest drives itself, beside the card: each host that has one gives it a name, and the VM runs
 * on hosts alone that have one of this name. It is let go before the VM moves; the card carries its frames meanwhile.
 */
export const HostDeviceName = Name;

/** One network card. */
export const Nic = z.object({
  network: NetworkName,
  /** Made by the controller when the VM is; never changes. */
  mac: z.string().regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/),
  hostDevice: HostDeviceName.optional(),
});
export type Nic = z.infer<typeof Nic>;

const MAX_NICS = 4;

/** How much of it a host gives one guest is the host's to tell (HostDriver); nobody has more than 16 TiB. */
const MemoryMiB = z
  .int()
  .min(16)
  .max(2 ** 24);

/** What an agent needs to build the machine. */
export const VmSpec = z.object({
  name: Name,
  vcpus: z.int().min(1).max(16),
  memoryMiB: MemoryMiB,
  image: Image,
  /** Kernel command line (device tree bootargs). */
  append: z.string().max(2000),
  nics: z.array(Nic).max(MAX_NICS).default([]),
  disks: z.array(Disk).max(MAX_DISKS).default([]),
  /** Absent: Drover's own VMM, which runs riscv64. */
  hypervisor: HypervisorName.optional(),
  architecture: Architecture.optional(),
});
export type VmSpec = z.infer<typeof VmSpec>;

/** What a guest says of itself, through QEMU's guest agent in it. */
export const GuestReport = z.object({
  hostName: z.string().max(255).nullable(),
  /** Neither loopback nor link-local ones. */
  ipAddresses: z.array(z.string().max(45)).max(32),
});
export type GuestReport = z.infer<typeof GuestReport>;

/** oVirt's placement: who may move it: policies and people, people alone, or nobody. */
export const VmPlacement = z.enum(['migratable', 'user_migratable', 'pinned']);
export type VmPlacement = z.infer<typeof VmPlacement>;

/** Of two VMs on a host that is emptied the one with the higher priority leaves first; oVirt's low is 1, medium 50, high 100. */
export const VmPriority = z.int().min(1).max(100);

export const UpdateVm = z
  .object({
    labels: Labels,
    placement: VmPlacement,
    priority: VmPriority,
    highAvailability: z.boolean(),
    /** null: that of its cluster. */
    migrationPolicyId: Id.nullable(),
  })
  .partial()
  .strict();
export type UpdateVm = z.infer<typeof UpdateVm>;

export const VmView = VmSpec.extend({
  id: Id,
  labels: Labels.default([]),
  placement: VmPlacement.default('migratable'),
  priority: VmPriority.default(1),
  /** Started elsewhere when its host has lost its power, and that is proven. */
  highAvailability: z.boolean().default(false),
  clusterId: Id,
  hostId: Id.nullable(),
  hypervisor: HypervisorName,
  architecture: Architecture,
  status: VmStatus,
  statusReason: z.string(),
  /** Grows with each start and each move; the copy with the highest one owns the VM. */
  epoch: z.int(),
  /** Cores in use, memory resident, pages written: as in the last heartbeat. */
  cpuUsedCores: z.number().nullable(),
  memoryUsedMiB: z.number().nullable(),
  dirtyRateMiBps: z.number().nullable(),
  /** Sent or received by its network cards, whichever is more; null: not known. */
  networkUsedMiBps: z.number().nullable().default(null),
  /** The last lines on its console. */
  consoleTail: z.string(),
  /** As it said last; null while it does not run, or if there is no agent in it. */
  guest: GuestReport.nullable(),
  /** Exit status of the guest's last run, if it ended by itself. */
  exitCode: z.int().nullable(),
  migrationPolicyId: Id.nullable(),
  /** What a move would take, as was found when somebody last asked. */
  migrationPrediction: MigrationPrediction.nullable().default(null),
  /** Why it cannot be migrated, as its last migration found, and what to do about it; null: nothing is known of that. */
  migrationObstacle: z.string().nullable().default(null),
  /** How often it has ever been migrated. */
  migrationCount: z.int(),
  /** Where its local disks are, or shall be; null if it has none, or has never been started. */
  diskHostId: Id.nullable(),
  /** Until when policies leave it where it is. */
  cooldownUntil: Timestamp.nullable(),
  createdAt: Timestamp,
  startedAt: Timestamp.nullable(),
});
export type VmView = z.infer<typeof VmView>;

/** The fields of a new VM, each by itself. */
export const CreateVmFields = z.object({
  name: Name,
  clusterId: Id,
  hypervisor: HypervisorName.default('drover'),
  architecture: Architecture.default('riscv64'),
  vcpus: z.int().min(1).max(16).default(1),
  memoryMiB: MemoryMiB.default(128),
  image: Image,
  append: z.string().max(2000).default(''),
  /** One network card for each, in this order. */
  nics: z
    .array(z.object({ network: NetworkName, hostDevice: HostDeviceName.optional() }))
    .max(MAX_NICS)
    .default([]),
  /** One disk for each, in this order. */
  disks: z.array(CreateDisk).max(MAX_DISKS).default([]),
  migrationPolicyId: Id.nullable().default(null),
  labels: Labels.default([]),
  placement: VmPlacement.default('migratable'),
  priority: VmPriority.default(1),
  highAvailability: z.boolean().default(false),
  /** Where to start it first; null lets the scheduler choose. */
  hostId: Id.nullable().default(null),
  start: z.boolean().default(true),
});

export const CreateVm = CreateVmFields.refine(
  ({ hypervisor, architecture }) => hypervisor === 'qemu' || architecture === 'riscv64',
  { path: ['architecture'], error: "Drover's own VMM runs riscv64 guests alone; choose hypervisor qemu for others" },
).refine(({ hypervisor, nics }) => hypervisor === 'drover' || nics.every(({ hostDevice }) => !hostDevice), {
  path: ['nics'],
  error: 'VMs on QEMU have no devices of hosts yet; choose hypervisor drover, or leave hostDevice out',
});
export type CreateVm = z.infer<typeof CreateVm>;

export const StartVm = z.object({ hostId: Id.nullable().default(null) });
export type StartVm = z.infer<typeof StartVm>;

/** `shutdown` asks the guest and falls back to power-off after a while; `power_off` ends it at once. */
export const StopVm = z.object({ mode: z.enum(['shutdown', 'power_off']).default('shutdown') });
export type StopVm = z.infer<typeof StopVm>;

export const MigrateVm = z.object({
  destinationHostId: Id.nullable().default(null),
  reason: z.string().max(500).optional(),
  /** For this migration alone; that of the VM or its cluster if left out. */
  migrationPolicyId: Id.optional(),
});
export type MigrateVm = z.infer<typeof MigrateVm>;

export const VmQuery = PageQuery.extend({
  clusterId: Id.optional(),
  hostId: Id.optional(),
  status: VmStatus.optional(),
  name: Name.optional(),
});
export type VmQuery = z.infer<typeof VmQuery>;

/** Console output from `offset` (bytes since the VM's process began) on; `next` is the offset to ask for next. */
export const ConsoleQuery = z.object({ offset: z.coerce.number().int().min(0).default(0) });
export const ConsoleView = z.object({ offset: z.int(), next: z.int(), text: z.string() });
export type ConsoleView = z.infer<typeof ConsoleView>;
export const ConsoleInput = z.object({ text: z.string().min(1).max(4096) });
export type ConsoleInput = z.infer<typeof ConsoleInput>;
