/** What the source's agent keeps on disk of a migration, from its order until the controller knows its end. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { HostJob, Id, MeansAtHand, MigrationError, MigrationReport, PreparedIncoming, Timestamp } from '#contracts';

export type MigrateJob = Extract<HostJob, { kind: 'migrate' }>;

/**
 * libvirt's five phases, and two ways out:
 *
 *     begin -> prepare -> perform -> [postcopy ->] finish -> confirm -> ended        the VM has left
 *        \________\__________\__> abort _______________________________/              the VM stays
 *
 * From `postcopy` or `finish` on the source never runs the VM again. A migration that is begun anew, with means that its
 * process cannot change in flight, goes from `perform` back to `prepare`.
 */
export const MigrationPhase = z.enum([
  'begin',
  'prepare',
  'perform',
  'postcopy',
  'finish',
  'confirm',
  'abort',
  'ended',
]);
export type MigrationPhase = z.infer<typeof MigrationPhase>;

export const MigrationRecord = z.object({
  migrationId: Id,
  vmId: Id,
  order: z.custom<MigrateJob>((value) => HostJob.safeParse(value).data?.kind === 'migrate', 'not an order to migrate'),
  phase: MigrationPhase,
  startedAt: Timestamp,
  /** Where the destination waits; known after `prepare`. */
  uri: z.string().nullable(),
  /** Names of files that show the destination which disks it sees. */
  tokens: z.array(z.object({ disk: z.string(), token: z.string() })).default([]),
  /** Where the other disks' content goes; known with `uri`. */
  nbd: PreparedIncoming.shape.nbd,
  /** Their mirrors have been begun, or are about to be; `failure`: why that was not possible. */
  mirroring: z.object({ failure: z.string().nullable() }).nullable().default(null),
  /** Why it is to end before the point of no return: somebody asked for it, or its time is up. */
  cancel: z.enum(['cancelled', 'timeout']).nullable(),
  /** Why it ended without success. */
  error: MigrationError.nullable(),
  /** What can be done about a guest that writes too fast; known after `prepare`. */
  atHand: z.array(MeansAtHand).default([]),
  /** What has to be undone at the end, beside what the process undoes. */
  outside: z.object({ offlineVcpus: z.array(z.int()) }).prefault({ offlineVcpus: [] }),
  /** How often it has been begun; `isRestarting`: it is cancelled now to be begun anew. */
  attempt: z.int().default(1),
  isRestarting: z.boolean().default(false),
  /** In post-copy: since when its connection has been lost, and how often another one was tried. */
  paused: z.object({ sinceMs: z.number(), attempts: z.int() }).nullable().default(null),
  /** Since when the source's process writes the VM's memory to a file, for its return. */
  checkpoint: z.object({ sinceMs: z.number() }).nullable().default(null),
  report: MigrationReport,
});
export type MigrationRecord = z.infer<typeof MigrationRecord>;

/** A migration that has just been ordered. */
export function newMigrationRecord(order: MigrateJob, startedAt: string): MigrationRecord {
  const { migrationId, vmId } = order;
  return {
    migrationId,
    vmId,
    order,
    phase: 'begin',
    startedAt,
    uri: null,
    tokens: order.spec.disks.map(({ name }) => ({ disk: name, token: `drover-${randomUUID()}` })),
    nbd: null,
    mirroring: null,
    cancel: null,
    error: null,
    atHand: [],
    outside: { offlineVcpus: [] },
    attempt: 1,
    isRestarting: false,
    paused: null,
    checkpoint: null,
    report: {
      migrationId,
      vmId,
      status: 'preparing',
      progress: null,
      iterations: [],
      downtimeMs: null,
      totalMs: null,
      downtimeBreakdown: null,
      decisions: [],
      facts: null,
      log: [],
      error: null,
    },
  };
}

/** What the process calls this attempt, so that it is not taken for an earlier one. */
export const attemptId = ({ migrationId, attempt }: MigrationRecord): string =>
  attempt === 1 ? migrationId : `${migrationId}/${attempt}`;
