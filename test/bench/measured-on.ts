/** The machine that figures were measured on, without what names it. */
import { spawnSync } from 'node:child_process';
import { cpus, loadavg, release, totalmem, type as system } from 'node:os';

/** First line of `program --version`, cut down to the number; undefined if it is not installed. */
export function versionOf(program: string): string | undefined {
  const { status, stdout } = spawnSync(program, ['--version'], { encoding: 'utf8' });
  return status === 0 ? (/\d+(\.\d+)+/.exec(stdout)?.[0] ?? 'of unknown version') : undefined;
}

/** One sentence: date, CPU, cores, memory, kernel, Node.js, QEMU, and how busy the machine was with other things. */
export function measuredOn(now: Date): string {
  const gib = Math.round(totalmem() / 2 ** 30);
  const qemu = versionOf('qemu-system-riscv64');
  const facts = [
    `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown CPU'}`,
    `${gib} GiB`,
    `${system()} ${/^[\d.]+\d/.exec(release())?.[0] ?? release()}`,
    `Node.js ${process.versions.node}`,
    qemu ? `QEMU ${qemu}` : 'QEMU not installed',
  ];
  return `Measured on ${now.toISOString().slice(0, 10)}: ${facts.join(', ')}; load average before: ${loadavg()[0]!.toFixed(1)}.`;
}
