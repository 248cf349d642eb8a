/** Post-copy on QEMU takes userfaultfd(2), which a host allows to all processes, or to those with CAP_SYS_PTRACE. */
import { readFileSync } from 'node:fs';

const SETTING = '/proc/sys/vm/unprivileged_userfaultfd';
/** Bit of the capability (capability.h). */
const CAP_SYS_PTRACE = 19n;

/** False too if the process has ended. */
export function mayUseUserfault(pid: number): boolean {
  try {
    if (readFileSync(SETTING, 'utf8').trim() === '1') return true;
    const effective = /^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    return effective !== undefined && ((BigInt(`0x${effective}`) >> CAP_SYS_PTRACE) & 1n) === 1n;
  } catch {
    return false; // a kernel without it
  }
}
