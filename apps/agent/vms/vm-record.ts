/** What the agent keeps on disk of each VM: written before and after each step, so that it can go on after a crash. */
import { z } from 'zod';
import { Id, PreparedIncoming, StandardDevice, Timestamp, VmSpec } from '#contracts';

const VmHandle = z.object({
  pid: z.int(),
  startTime: z.string(),
  qmpSocket: z.string(),
  consoleLog: z.string(),
  consoleInput: z.string(),
  agentSocket: z.string().optional(),
  log: z.string(),
});

/**
 *     starting -> running -> stopping -> ended -> gone      ended: told in heartbeats until the controller knows it
 *     incoming -> running -> left -> gone                   left: it runs elsewhere; its process writes a checkpoint
 *                                                           gone: not here any more; kept for a day, for its epoch
 */
const Phase = z.enum(['starting', 'running', 'stopping', 'incoming', 'left', 'ended', 'gone']);

export const EndReport = z.object({
  status: z.enum(['down', 'failed']),
  exitCode: z.int().nullable(),
  message: z.string(),
});
export type EndReport = z.infer<typeof EndReport>;

export const VmRecord = z.object({
  vmId: Id,
  epoch: z.int(),
  spec: VmSpec,
  /** It has never run: disks that are missing are made. */
  makeDisks: z.boolean().default(false),
  phase: Phase,
  /** Since when it is `gone`. */
  goneAt: Timestamp.nullable().default(null),
  process: VmHandle.nullable(),
  /** What a VM that arrives has beside what its definition says; absent for one that is started here: all there is. */
  devices: z.array(StandardDevice).optional(),
  /** The migration that brings it, or brought it, here. */
  incoming: z
    .object({
      migrationId: Id,
      uri: z.string().nullable(),
      nbd: PreparedIncoming.shape.nbd,
      /** Where its process waits for what comes through this agent; null: it is reached without. */
      tunnelPorts: z.object({ memory: z.int(), disks: z.int().nullable() }).nullable().default(null),
      /** Disks whose files were made for it, and are of no use unless it arrives. */
      madeDisks: z.array(z.string()).default([]),
      /** vCPUs that the guest does without until it is here. */
      offlineVcpus: z.array(z.int()).default([]),
    })
    .nullable(),
  /** The migration that takes it away; until that is decided, the end of the process is not told as the VM's end. */
  leaving: Id.nullable(),
  end: EndReport.nullable(),
});
export type VmRecord = z.infer<typeof VmRecord>;
