/** What crosses between controller and agent, and between two agents, besides the queue. */
import { z } from 'zod';
import { Id, Timestamp } from './common.js';
import { ConvergenceFacts, MeansWanted, MigrationDecision, MigrationStep, VmProbe } from './convergence.js';
import { HostHealth } from './health.js';
import { CheckpointReport, HostDriver, IsolationMeasure, Pressure, StorageRoom } from './host.js';
import { CommandReport } from './maintenance-run.js';
import { DowntimeBreakdown, Iteration, MigrationError, MigrationLogLine, MigrationProgress } from './migration.js';
import { GuestReport, HostDeviceName, VmSpec } from './vm.js';

/** POST /agents/enrol, with the host's enrolment token as bearer. */
export const Enrol = z.object({
  agentUrl: z.url(),
  agentVersion: z.string(),
  /** The agent made it; the controller shows it in direct orders, and signs tickets with it. */
  agentToken: z.string().min(32).max(200),
  cpuCores: z.number().positive(),
  memoryMiB: z.int().positive(),
  /** What VMs can run on here: known from the start, so that none is refused a place until the first heartbeat. */
  drivers: z.array(HostDriver).max(20).default([]),
});
export type Enrol = z.infer<typeof Enrol>;

/** How this host's agent, and nobody else, reaches its queue. */
export const QueueAccess = z.discriminatedUnion('backend', [
  z.object({ backend: z.literal('postgres'), url: z.string(), schema: z.string(), queue: z.string() }),
  z.object({ backend: z.literal('redis'), url: z.string(), prefix: z.string(), queue: z.string() }),
]);
export type QueueAccess = z.infer<typeof QueueAccess>;

export const Enrolled = z.object({
  hostId: Id,
  hostName: z.string(),
  /** Bearer of all later heartbeats. */
  heartbeatToken: z.string(),
  queue: QueueAccess,
});
export type Enrolled = z.infer<typeof Enrolled>;

/** POST /agents/certificate, with the heartbeat token as bearer: PKCS #10 in PEM, for a key that stays on the host. */
export const CertificateRequest = z.object({ certificateRequest: z.string().max(16_384) }).strict();
export type CertificateRequest = z.infer<typeof CertificateRequest>;

/** Both in PEM. The certificate names the host by its id. */
export const HostCertificate = z.object({ certificate: z.string(), authority: z.string() });
export type HostCertificate = z.infer<typeof HostCertificate>;

/**
 * State of one VM's process on a host, as the agent sees it. `incoming`: waits for, or receives, a migration; `loaded`: it
 * has received everything but the word that the VM is its own.
 */
export const VmReport = z.object({
  vmId: Id,
  epoch: z.int(),
  status: z.enum(['starting', 'up', 'paused', 'migrating', 'incoming', 'loaded', 'stopping', 'down', 'failed']),
  /** For down and failed: how it ended. */
  exitCode: z.int().nullable(),
  message: z.string(),
  cpuUsedCores: z.number(),
  memoryUsedMiB: z.number(),
  dirtyRateMiBps: z.number(),
  /** Sent or received by its network cards, whichever is more; null: not known. */
  networkUsedMiBps: z.number().nonnegative().nullable().default(null),
  consoleTail: z.string().max(4096),
  /** Null: nothing new is known. */
  guest: GuestReport.nullable().default(null),
});
export type VmReport = z.infer<typeof VmReport>;

/** Told by the source's agent, again and again until the controller says it knows the end. */
export const MigrationReport = z.object({
  migrationId: Id,
  vmId: Id,
  status: z.enum([
    'preparing',
    'precopy',
    'switchover',
    'postcopy',
    'postcopy_paused',
    'completed',
    'failed',
    'cancelled',
  ]),
  progress: MigrationProgress.nullable(),
  iterations: z.array(Iteration),
  downtimeMs: z.number().nullable(),
  totalMs: z.number().nullable(),
  downtimeBreakdown: DowntimeBreakdown.nullable(),
  /** What was done about it so far. */
  decisions: z.array(MigrationDecision).max(100).default([]),
  /** All that the next decision rests on; null while there is nothing to decide. */
  facts: ConvergenceFacts.nullable().default(null),
  /** Of both ends, when it has ended. */
  log: z.array(MigrationLogLine).max(600).default([]),
  error: MigrationError.nullable(),
});
export type MigrationReport = z.infer<typeof MigrationReport>;

/** POST /agents/heartbeat, each second, with the heartbeat token as bearer. */
export const Heartbeat = z.object({
  sentAt: Timestamp,
  agentUrl: z.url(),
  agentVersion: z.string(),
  /** HOST:PORT at which its switch waits for those of other hosts. */
  tunnelAddress: z.string().max(300).nullable().default(null),
  cpuCores: z.number().positive(),
  memoryMiB: z.int().positive(),
  cpuUsedCores: z.number().nonnegative(),
  memoryUsedMiB: z.number().nonnegative(),
  pressure: Pressure.nullable(),
  isolation: z.array(IsolationMeasure),
  drivers: z.array(HostDriver).max(20),
  /** What its link carries, one direction; null: not known. */
  linkMiBps: z.number().positive().nullable().default(null),
  /** Null: nothing was looked at since the last heartbeat. */
  health: HostHealth.nullable().default(null),
  /** Of maintenance; each until the controller knows its end. */
  commands: z.array(CommandReport).max(20).default([]),
  vms: z.array(VmReport),
  migrations: z.array(MigrationReport),
  checkpoints: z.array(CheckpointReport).default([]),
  /** What was measured of VMs since the last heartbeat, for the case that they move. */
  probes: z.array(VmProbe).max(1000).default([]),
  /** Of the storage domains that the last answer named. */
  storage: z.array(StorageRoom).max(100).default([]),
  /** Names of devices that guests may have. */
  hostDevices: z.array(HostDeviceName).max(64).default([]),
  /** Of the peers that the agent has (see HeartbeatAnswer); null: none yet. */
  peersDigest: z.string().max(100).nullable().default(null),
});
export type Heartbeat = z.infer<typeof Heartbeat>;

/** Another host of the cluster, to whose switch this host's brings frames. */
export const Peer = z.object({
  hostId: Id,
  /** HOST:PORT. */
  address: z.string(),
  /** base64url(HMAC-SHA256(that host's agent's token, "tunnel:FROM:TO")), with host ids: valid for this pair alone. */
  key: z.string(),
});
export type Peer = z.infer<typeof Peer>;

/**
 * What the agent may now forget, because it is stored; VMs that must not run here (another copy owns them); and the hosts
 * that its VMs' networks reach.
 */
export const HeartbeatAnswer = z.object({
  forgetVms: z.array(z.object({ vmId: Id, epoch: z.int() })),
  forgetMigrations: z.array(Id),
  /** Copies that lost ownership (a higher epoch runs elsewhere): end them without grace. */
  destroyVms: z.array(z.object({ vmId: Id, epoch: z.int() })),
  /** Loaded copies that own their VM, because its source has it no more and never runs it again: start them. */
  finishVms: z.array(z.object({ vmId: Id, epoch: z.int() })).default([]),
  /** Commands whose end is stored. */
  forgetCommands: z.array(Id).default([]),
  /** The agent is to look at the host's health at once. */
  wantsHealth: z.boolean().default(false),
  /** Null: still those of the digest that the heartbeat told. */
  peers: z.array(Peer).nullable().default([]),
  peersDigest: z.string().nullable().default(null),
  /** When the next heartbeat is wanted, if there is no news before. */
  nextHeartbeatMs: z.int().positive().default(1000),
  /** What to do about migrations that do not converge. */
  steps: z.array(MigrationStep).default([]),
  /** VMs whose memory the host must not keep: they are gone, or are not to be kept. */
  forgetCheckpoints: z.array(Id).default([]),
  /** How much of it the host may keep; null: nothing is said. */
  checkpointLimitMiB: z.int().nullable().default(null),
  /** Folders of local storage domains, of which is to be told what is free. */
  storagePaths: z.array(z.string()).nullable().default([]),
  /** How fast migrations may go that share their hosts' links; null: as fast as they can. */
  bandwidths: z.array(z.object({ migrationId: Id, bandwidthMiBps: z.number().nullable() })).default([]),
});
export type HeartbeatAnswer = z.infer<typeof HeartbeatAnswer>;

/** What agents give every VM beside what its definition says; a VM keeps what it was started with wherever it goes. */
export const StandardDevice = z.enum(['balloon', 'guest_agent']);
export type StandardDevice = z.infer<typeof StandardDevice>;

/**
 * Agent to agent, bearer = ticket. POST /v1/incoming: phase prepare. `devices`: those that the VM's process has; agents
 * that do not say so give none. `means`: what both ends have to be ready for.
 */
export const PrepareIncoming = z.object({
  migrationId: Id,
  vmId: Id,
  epoch: z.int(),
  spec: VmSpec,
  devices: z.array(StandardDevice).default([]),
  disks: z
    .array(
      z.object({
        name: z.string(),
        /** Name of a file that the source has just put beside the disk: whoever sees it sees the disk too. */
        token: z.string().regex(/^[A-Za-z0-9._-]{1,100}$/),
        /** What the disk takes at the source. */
        allocatedMiB: z.int(),
      }),
    )
    .default([]),
  means: MeansWanted.prefault({}),
  /** Only a source that shows a certificate gets in. */
  encrypted: z.boolean().default(false),
  /** The source comes through both agents: the answer's uri is tunnel:HOST:PORT. */
  tunnelled: z.boolean().default(false),
});
export type PrepareIncoming = z.infer<typeof PrepareIncoming>;
export const PreparedIncoming = z.object({
  uri: z.string(),
  /** Disks that the destination does not see, each as an export of an NBD server that waits for its content. */
  nbd: z
    .object({
      host: z.string(),
      port: z.int(),
      exports: z.array(z.object({ disk: z.string(), name: z.string() })),
    })
    .nullable()
    .default(null),
});
export type PreparedIncoming = z.infer<typeof PreparedIncoming>;
/** POST /v1/incoming/{migrationId}/finish, and GET for its state; DELETE gives up before the point of no return. */
export const IncomingState = z.object({
  /** `running`: perhaps without all of its memory yet. */
  status: z.enum(['waiting', 'loaded', 'running', 'gone']),
  /** Running, with all of its memory: the source is needed no more. */
  isComplete: z.boolean().default(false),
  /** Its process has ended there: if it was not complete, it never will be. */
  hasEnded: z.boolean().default(false),
  message: z.string(),
});
export type IncomingState = z.infer<typeof IncomingState>;

/** POST /v1/incoming/{migrationId}/recover: post-copy has lost its connection; waits for a new one. -> PreparedIncoming */
/** GET /v1/incoming/{migrationId}/log: what the destination has to say of it. */
export const IncomingLog = z.object({ lines: z.array(MigrationLogLine).max(300) });
export type IncomingLog = z.infer<typeof IncomingLog>;
/** POST /v1/incoming/{migrationId}/vcpus: these vCPUs go offline for the migration's time; back online on arrival. */
export const VcpusToRestore = z.object({ vcpus: z.array(z.int().nonnegative()).max(1024) });
export type VcpusToRestore = z.infer<typeof VcpusToRestore>;

/*
 * Direct orders, controller to agent, bearer = the agent's own token. 404 if the agent does not know the id.
 *   GET   /v1/vms/{id}/console?offset=        -> ConsoleView
 *   POST  /v1/vms/{id}/console                ConsoleInput        -> 204
 *   GET   /v1/vms/{id}/migration-probe        -> MigrationProbe
 *   POST  /v1/migrations/{id}/cancel          -> 202; 409 past the point of no return
 *   PATCH /v1/migrations/{id}/parameters      MigrationParameters -> 202
 */
