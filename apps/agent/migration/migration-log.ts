/** What this agent has to say of each migration, kept until its end is told: pino's lines that name one. */
import type { MigrationLogLine } from '#contracts';

const MOST_LINES = 150;
const LONGEST = 1000;
/** Migrations kept at most; of those that other hosts' agents carry out nobody says when they may be forgotten. */
const MOST_MIGRATIONS = 200;

type Line = Omit<MigrationLogLine, 'side'>;

export class MigrationLog {
  private readonly lines = new Map<string, Line[]>();

  /** For pino's hook `logMethod`; `given`: the arguments of a call. */
  note(given: readonly unknown[], level: string): void {
    const [context, message] = given;
    if (typeof context !== 'object' || context === null || typeof message !== 'string') return;
    const { migrationId, phase } = context as { migrationId?: unknown; phase?: unknown };
    if (typeof migrationId !== 'string') return;
    const kept = this.lines.get(migrationId) ?? [];
    this.lines.delete(migrationId);
    this.lines.set(migrationId, kept); // the latest last
    const text = typeof phase === 'string' ? `${phase}: ${message}` : message;
    if (kept.length < MOST_LINES)
      kept.push({ at: new Date().toISOString(), from: 'agent', level, message: text.slice(0, LONGEST) });
    if (this.lines.size > MOST_MIGRATIONS) this.forget(this.lines.keys().next().value!);
  }

  /** What has been said of it so far, and what the VM's process said last. */
  of(migrationId: string, processLines: readonly string[]): Line[] {
    const ofProcess = processLines.map((message) => ({
      ...{ at: null, from: 'vmm' as const, level: 'info' },
      message: message.slice(0, LONGEST),
    }));
    return [...(this.lines.get(migrationId) ?? []), ...ofProcess];
  }

  forget(migrationId: string): void {
    this.lines.delete(migrationId);
  }
}
