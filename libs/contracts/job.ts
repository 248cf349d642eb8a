import { z } from 'zod';
import { Id } from './common.js';
import { Disk } from './storage.js';
import { Convergence } from './convergence.js';
import { VmSpec } from './vm.js';

/** Where a migration goes: the destination's agent, and the ticket that it will ask for. */
export const Destination = z.object({
  hostId: Id,
  hostName: z.string(),
  agentUrl: z.url(),
  /** base64url(HMAC-SHA256(destination agent's token, "migrationId:vmId:epoch")): valid for this migration alone. */
  ticket: z.string(),
});
export type Destination = z.infer<typeof Destination>;

/**
 * Orders to a host, one queue for each host. A job that comes twice must do no harm: the agent compares `epoch` (and
 * `migrationId`) with what it has.
 */
export const HostJob = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('start'),
    vmId: Id,
    epoch: z.int(),
    spec: VmSpec,
    /** It has never run: disks that are not there yet are made. Otherwise one that is missing is an error. */
    makeDisks: z.boolean().optional(),
  }),
  z.object({ kind: z.literal('stop'), vmId: Id, epoch: z.int(), mode: z.enum(['shutdown', 'power_off']) }),
  z.object({ kind: z.literal('pause'), vmId: Id, epoch: z.int() }),
  z.object({ kind: z.literal('resume'), vmId: Id, epoch: z.int() }),
  /** The VM was deleted: its disks go too. `epoch`: the last one that was ever given out. */
  z.object({ kind: z.literal('remove_disks'), vmId: Id, epoch: z.int(), disks: z.array(Disk) }),
  /** An executable of the host's maintenance.d folder; the host is empty. */
  z.object({
    kind: z.literal('command'),
    runId: Id,
    name: z.string(),
    arguments: z.array(z.string()),
    timeoutSeconds: z.int(),
    restarts: z.boolean(),
  }),
  z.object({
    kind: z.literal('migrate'),
    migrationId: Id,
    vmId: Id,
    /** Epoch of the copy that leaves, and of the one that arrives. */
    sourceEpoch: z.int(),
    epoch: z.int(),
    spec: VmSpec,
    destination: Destination,
    downtimeLimitMs: z.int(),
    bandwidthMiBps: z.number().nullable(),
    timeoutSeconds: z.int(),
    convergence: Convergence.prefault({}),
    /** What was sampled of the guest's pages of late, until this migration has samples of its own; null or absent: nothing. */
    compressedShare: z.number().nullish(),
    deltaShare: z.number().nullish(),
    /** The source's agent decides by itself when no heartbeat was answered for so long. */
    decideAloneAfterSeconds: z.int().min(1).default(10),
    /** The source keeps its memory for its return, among that of others that takes no more than so much; 0: not at all. */
    checkpointLimitMiB: z.int().nonnegative().default(0),
    /** Memory and disks travel in TLS; both hosts show a certificate of the controller. */
    encrypted: z.boolean().default(false),
    /** All connections go through the agents, to one port of the destination's host, always in TLS. */
    tunnelled: z.boolean().default(false),
  }),
]);
export type HostJob = z.infer<typeof HostJob>;
