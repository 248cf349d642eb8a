/** What an agent asks of the program that runs its VMs. One process for each VM, which outlives the agent. */

import type { GuestAgent } from './guest-agent.js';
import type { MeansOfProcess, MeansToApply, MeansWanted } from './migration-means.js';
import type { TlsCredentials } from './tls-credentials.js';

/** Where the files of a VM's process are. */
export interface VmPlace {
  /** Where console and log of the process are kept; created if missing. */
  readonly folder: string;
  /** Where its sockets are; short, for a socket's path has at most 107 bytes; created if missing, closed to others. */
  readonly runtimeFolder: string;
}

/** A network card and where it is plugged in. */
interface NicPlug {
  readonly socket: string;
  /** Such as 52:54:00:12:34:56. */
  readonly mac: string;
  /** A device of the host that the guest drives beside this card: the Unix socket at which it takes frames. */
  readonly hostDevice?: { readonly socket: string } | undefined;
}

/** balloon: gives memory back to the host. guest_agent: the port for QEMU's. The VM's own wherever it goes. */
export const STANDARD_DEVICES = ['balloon', 'guest_agent'] as const;
export type StandardDevice = (typeof STANDARD_DEVICES)[number];

/** A disk: a raw file. */
interface DiskPlug {
  /** Its serial number too. */
  readonly name: string;
  readonly path: string;
}

/** A disk that another process's NBD server takes the content of. */
export interface DiskExport {
  /** Name of the disk. */
  readonly disk: string;
  /** Name of the export: whoever knows it may write. */
  readonly name: string;
}

/** Where an NBD server listens. */
export type NbdAddress = { readonly host: string; readonly port: number } | { readonly path: string };

/** How a connection that this end opens is encrypted; `peer`: the name in the other end's certificate. */
export type ClientCredentials = TlsCredentials & { readonly peer: string };

/** How far the copy of a disk is. */
export interface MirrorFigures {
  /** Name of the disk. */
  readonly disk: string;
  readonly transferredBytes: number;
  readonly remainingBytes: number;
  /** The copy has been equal once, and is kept so. */
  readonly isReady: boolean;
  /** Why it has ended. */
  readonly error: string | null;
}

/** What a process is started with. */
export interface LaunchSpec extends VmPlace {
  readonly vmId: string;
  readonly vcpus: number;
  readonly memoryMiB: number;
  /** File that the guest starts with: ELF or a Linux image. */
  readonly kernel: string;
  /** File of the initial RAM disk. */
  readonly initrd?: string;
  /** Kernel command line. */
  readonly append: string;
  /** Its network cards: each is plugged into a switch that listens at a Unix socket and takes virtio-net headers. */
  readonly nics: readonly NicPlug[];
  /** A VM that arrives needs those that it has where it comes from. */
  readonly devices: readonly StandardDevice[];
  /** Its disks, in the order in which the guest finds them. */
  readonly disks: readonly DiskPlug[];
  /** Starts without a guest, to be filled by a migration. */
  readonly incoming: boolean;
}

/** The memory of a VM that has left, which its process writes to a file; `none`: it has not been asked to. */
export interface CheckpointFigures {
  readonly status: 'none' | 'writing' | 'written' | 'failed';
  readonly bytes: number;
  /** Why it failed. */
  readonly message: string;
}

/** All that is needed to find a process again; goes into the VM's record. */
export interface VmHandle {
  readonly pid: number;
  /** Clock ticks since boot (proc(5), stat field 22): tells the process from a later one of the same id. */
  readonly startTime: string;
  readonly qmpSocket: string;
  readonly consoleLog: string;
  /** A FIFO: what is written there, the guest reads from its serial port. */
  readonly consoleInput: string;
  /** Where the guest's agent is reached, if it has one; absent in records of processes without such a port. */
  readonly agentSocket?: string | undefined;
  /** What the process itself has to say. */
  readonly log: string;
}

/** How a process ended. What a process that was not our child, or died while nobody looked, cannot tell is null. */
export interface VmEnd {
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** True if the guest ended by itself: it powered off, or wrote to the test finisher. */
  readonly byGuest: boolean;
  /** Last line of the process's own log, for the message; empty if there is none. */
  readonly lastLogLine: string;
}

export interface RunState {
  /** The guest's harts execute. */
  readonly isRunning: boolean;
  /** QEMU's RunState: running, paused, inmigrate, postmigrate, shutdown, ... */
  readonly status: string;
}

export interface MigrateOptions {
  readonly uri: string;
  readonly migrationId: string;
  /** Ownership at the destination. */
  readonly epoch: number;
  readonly downtimeLimitMs: number;
  /** null: no limit. */
  readonly bandwidthMiBps: number | null;
  /** Disks that are mirrored: without a whole copy of each, the VM stays. */
  readonly mirroredDisks?: readonly string[];
  readonly means?: MeansWanted;
  /** Null: not encrypted. */
  readonly tls: ClientCredentials | null;
}

export interface MigrationLimits {
  readonly downtimeLimitMs?: number;
  readonly bandwidthMiBps?: number | null;
}

/** One pass over the dirty log. */
export interface IterationFigures {
  readonly iteration: number;
  readonly pages: number;
  readonly zeroPages: number;
  readonly bytes: number;
  readonly durationMs: number;
  readonly bandwidthMiBps: number;
  readonly dirtyRateMiBps: number;
  readonly remainingBytes: number;
  readonly expectedDowntimeMs: number | null;
}

/** Sizes of a page afterwards, as shares of the page; null: not sampled. */
export interface PageShares {
  readonly compressedShare: number | null;
  readonly deltaShare: number | null;
}

export interface DowntimeParts {
  readonly stopMs: number;
  readonly finalSyncMs: number;
  readonly finalPagesMs: number;
  readonly deviceStateMs: number;
  readonly loadMs: number;
  readonly resumeMs: number;
}

/** The outgoing migration that a process carries out or carried out last, with QEMU's MigrationStatus. */
export interface OutgoingFigures extends PageShares {
  /** Null where the program does not know ids. */
  readonly migrationId: string | null;
  readonly status:
    | 'setup'
    | 'active'
    | 'device'
    /** The guest runs at the destination and its pages follow; paused: the connection is lost. */
    | 'postcopy'
    | 'postcopy_paused'
    | 'completed'
    | 'cancelling'
    | 'cancelled'
    | 'failed';
  /** For `completed`: the destination said that the guest runs there; false or null: only the destination knows. */
  readonly isConfirmed: boolean | null;
  readonly totalBytes: number;
  readonly transferredBytes: number;
  readonly remainingBytes: number;
  /** Pages that the destination had already, from an earlier stay of the VM. */
  readonly savedPages: number;
  /** Pages that were sent as deltas, bytes of these, and pages that the cache did not have; null: without XBZRLE. */
  readonly xbzrle: { readonly pages: number; readonly bytes: number; readonly misses: number } | null;
  /** Pages that were sent compressed, and their bytes then; null: without compression. */
  readonly compression: { readonly pages: number; readonly bytes: number } | null;
  /** Of transferredBytes, those that went on connections for pages alone. */
  readonly multifdBytes: number;
  readonly bandwidthMiBps: number;
  readonly dirtyRateMiBps: number;
  readonly iteration: number;
  readonly expectedDowntimeMs: number | null;
  readonly iterations: readonly IterationFigures[];
  readonly downtimeMs: number | null;
  readonly totalMs: number | null;
  readonly downtimeParts: DowntimeParts | null;
  readonly error: { readonly code: string; readonly message: string } | null;
}

/**
 * The arriving side. `waiting`: nothing or not everything has come; `loaded`: everything is here and the source may
 * have let go; `running`: the guest has been started here; `failed`: it will not come.
 */
export interface IncomingFigures {
  readonly status: 'waiting' | 'loaded' | 'running' | 'failed';
  /** Running, and no page is still to come. */
  readonly isComplete: boolean;
  readonly message: string;
}

/** A VM's process, connected. Methods reject with an Error if the process has ended or refuses. */
export interface VmProcess {
  readonly handle: VmHandle;
  /** Resolves when the process is gone. */
  readonly ended: Promise<VmEnd>;
  /** The guest's agent; null while none has opened its port. */
  readonly guestAgent: GuestAgent | null;
  runState(): Promise<RunState>;
  /** Those that the process was started with, by whatever version of an agent. */
  devices(): Promise<StandardDevice[]>;
  /** What compression and XBZRLE would make of pages that the guest has written since its rate was asked for; null: not known. */
  samplePages(): Promise<PageShares | null>;
  /** MiB/s of pages that the guest writes, of late, whoever else asks; null if the program does not measure it now. */
  dirtyRateMiBps(): Promise<number | null>;
  stop(): Promise<void>;
  cont(): Promise<void>;
  /** Presses the power button; resolves to whether the board has one that a guest could hear. */
  powerdown(): Promise<boolean>;
  /** Ends the process in order. */
  quit(): Promise<void>;
  /** Ends the process at once. */
  kill(): void;
  migrate(options: MigrateOptions): Promise<void>;
  cancelMigration(): Promise<void>;
  setMigrationLimits(limits: MigrationLimits): Promise<void>;
  /** Calls `listener` whenever the status of a migration has changed; it takes the place of the one before. */
  onMigration(listener: () => void): void;
  /** What the process can do about a guest that writes too fast; `isMigrating`: now. */
  means(isMigrating: boolean): Promise<MeansOfProcess[]>;
  applyMeans(step: MeansToApply): Promise<void>;
  /** Thread ids of its vCPUs on the host. */
  vcpuThreads(): Promise<number[]>;
  /** Post-copy has lost its connection: goes on by another one, to where `waitForRecovery` waits. */
  resumeMigration(uri: string): Promise<void>;
  /** The arriving side of the same: waits at a free port of `address`; resolves with the port. */
  waitForRecovery(address: string): Promise<number>;
  /** Null: this process has not been asked to migrate. */
  queryMigration(): Promise<OutgoingFigures | null>;
  /**
   * Waits at a free port of `address` for a migration to `epoch`, and no earlier one; resolves with the port. With `tls`
   * only a source whose certificate is of the same authority gets in. What is in `checkpoint`, a file that another process
   * of this VM has written, need not be sent again.
   */
  listen(
    address: string,
    epoch: number,
    tls: TlsCredentials | null,
    means?: MeansWanted,
    checkpoint?: string | null,
  ): Promise<number>;
  /** Begins to write the memory of a VM that has left to `checkpointFile`. Rejects if it has not left, or it cannot. */
  saveCheckpoint(maxBytes: number): Promise<void>;
  queryCheckpoint(): Promise<CheckpointFigures>;
  queryIncoming(): Promise<IncomingFigures>;
  /** Starts a guest that is loaded and whose source will never run again; does nothing if it runs already. */
  finishIncoming(): Promise<void>;
  /**
   * Lets the disks' content come to a free port of `address`, until the VM has arrived; resolves with the port. With `tls`
   * only a source whose certificate is of the same authority gets in.
   */
  exportDisks(address: string, exports: readonly DiskExport[], tls: TlsCredentials | null): Promise<number>;
  /** Copies the disks to another process's exports, from now until the VM has left; guests' writes wait for the copy. */
  mirrorDisks(
    server: NbdAddress,
    exports: readonly DiskExport[],
    bandwidthMiBps: number | null,
    tls: ClientCredentials | null,
  ): Promise<void>;
  queryMirrors(): Promise<readonly MirrorFigures[]>;
  /** Ends all copies, done or not. */
  endMirrors(): Promise<void>;
  /** Stops looking at the process, which goes on. */
  release(): void;
}

export interface Hypervisor {
  /** Starts a process, with its guest stopped; resolves as soon as it exists. Rejects if it cannot be started. */
  launch(spec: LaunchSpec): Promise<VmHandle>;
  /** Connects to a process and waits until it answers. Rejects if it has ended, or does not answer in time. */
  connect(handle: VmHandle, timeoutMs: number): Promise<VmProcess>;
  /** The process that was launched with `spec` and still runs, if any. */
  find(place: VmPlace): Promise<VmHandle | null>;
  isAlive(handle: VmHandle): boolean;
  /** Ends a process at once, connected or not; does nothing if it has ended. */
  kill(handle: VmHandle): void;
  /** Last line that the process itself wrote; empty if there is none. */
  lastLogLine(handle: VmHandle): string;
}
