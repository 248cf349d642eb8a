/** Checks of one's own: executables in a folder that print JSON. */
import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HealthState, type HealthCheck } from '#contracts';
import { z } from 'zod';
import { whyNotRun } from '../maintenance/trusted-file.js';

/** What such an executable prints: its state, why, and a number if it has measured one. */
const Printed = z.object({
  state: HealthState,
  reason: z.string().max(450),
  value: z.number().nullable().default(null),
});

const TIMEOUT_MS = 20_000;

/** One check for each executable of the folder; those whose names begin with a dot are left out. */
export async function customChecks(folder: string): Promise<HealthCheck[]> {
  const names = (await readdir(folder).catch(() => [])).filter((name) => !name.startsWith('.')).toSorted();
  return Promise.all(names.map((name) => run(folder, name)));
}

async function run(folder: string, name: string): Promise<HealthCheck> {
  const path = join(folder, name);
  const refusal = await whyNotRun(path);
  if (refusal) return judgeCustom(name, null, refusal);
  const { stdout, failure } = await promisify(execFile)(path, [], { timeout: TIMEOUT_MS, cwd: '/' }).then(
    (output) => ({ stdout: output.stdout, failure: '' }),
    (error: { stdout?: string; message: string }) => ({ stdout: error.stdout ?? '', failure: error.message }),
  );
  return judgeCustom(name, stdout, failure);
}

/** A check that does not say what it has found is a warning: nobody knows. */
export function judgeCustom(name: string, stdout: string | null, failure: string): HealthCheck {
  const subject = name.slice(0, 100);
  const unknown = (why: string): HealthCheck => {
    const reason = `${name}: ${why}`.replaceAll(/\s+/g, ' ').slice(0, 500);
    return { kind: 'custom', subject, state: 'warning', value: null, reason };
  };
  let content: unknown;
  try {
    content = JSON.parse(stdout ?? '');
  } catch {
    return unknown(failure || 'it prints no JSON; print {"state": "ok", "reason": "…"}');
  }
  const printed = Printed.safeParse(content);
  if (!printed.success)
    return unknown(`it prints something else than state, reason and value: ${printed.error.issues[0]!.message}`);
  const { state, reason, value } = printed.data;
  return { kind: 'custom', subject, state, value, reason: `${name}: ${reason}`.slice(0, 500) };
}
