/** What the source's agent keeps on disk of a migration, from its order until the controller knows its end. */
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { HostJob, Id, MigrationError, MigrationReport, PreparedIncoming, Timestamp } from '#contracts';

export type MigrateJob = Extract<HostJob, { kind: 'migrate' }>;

/**
 * libvirt's five phases, and two ways out:
 *
 *     begin -> prepare -> perform -> finish -> confirm -> ended        the VM has left
 *        \________\__________\__> abort ________________/              the VM stays
 *
 * From `finish` on the source never runs the VM again.
 */
export const MigrationPhase = z.enum(['begin', 'prepare', 'perform', 'finish', 'confirm', 'abort', 'ended']);
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
    report: {
      migrationId,
      vmId,
      status: 'preparing',
      progress: null,
      iterations: [],
      downtimeMs: null,
      totalMs: null,
      downtimeBreakdown: null,
      error: null,
    },
  };
}
