/** A maintenance command as it is kept on disk. */
import { Id } from '#contracts';
import { z } from 'zod';

export const CommandRecord = z.object({
  runId: Id,
  name: z.string(),
  arguments: z.array(z.string()),
  timeoutSeconds: z.number(),
  restarts: z.boolean(),
  beganMs: z.number(),
  /** Of the kernel that it was started under (/proc/sys/kernel/random/boot_id). */
  bootId: z.string(),
  /** Null: it was about to be started. */
  process: z.object({ pid: z.int(), startTime: z.string() }).nullable(),
  status: z.enum(['running', 'succeeded', 'failed']),
  exitCode: z.int().nullable(),
  output: z.string(),
  /** The controller knows the end. Kept for a while, so that an order that comes late is not carried out again. */
  isTold: z.boolean(),
});
export type CommandRecord = z.infer<typeof CommandRecord>;

/** What can be seen of a command that is said to run. */
export interface CommandSigns {
  readonly isAlive: boolean;
  /** What it has ended with; null: it has not said. */
  readonly exitCode: number | null;
  readonly isSameBoot: boolean;
  readonly nowMs: number;
}

export type CommandVerdict =
  | { readonly status: 'running' }
  | { readonly status: 'too_long' }
  | { readonly status: 'succeeded' | 'failed'; readonly exitCode: number | null; readonly note: string };

/** What has become of it: pure. */
export function judgeCommand(
  record: CommandRecord,
  { isAlive, exitCode, isSameBoot, nowMs }: CommandSigns,
): CommandVerdict {
  if (exitCode !== null) return { status: exitCode === 0 ? 'succeeded' : 'failed', exitCode, note: '' };
  if (isAlive)
    return nowMs - record.beganMs > record.timeoutSeconds * 1000 ? { status: 'too_long' } : { status: 'running' };
  if (record.restarts && !isSameBoot)
    return { status: 'succeeded', exitCode: null, note: 'the host was restarted by it' };
  const note = isSameBoot ? 'it was killed' : 'the host was restarted while it ran';
  return { status: 'failed', exitCode: null, note };
}
