/**
 * QEMU forgets that a RISC-V hart waits for its timer: stimecmp travels with a migration, but nothing sets the timer that
 * it stands for (target/riscv/time_helper.c), so a guest that sleeps never wakes. Writing it anew, by the gdbstub, does.
 */
import { GdbRemote } from './gdb-remote.js';

/** Numbers of control and status registers (RISC-V Privileged Architecture, chapter "CSR listing"). */
const MHARTID = 0xf14;
const STIMECMP = 0x14d;
const TIMEOUT_MS = 5000;

/** Writes the timer of each vCPU of a guest that is stopped. `socket`: where the gdbstub listens. */
export async function writeTimers(socket: string, vcpus: number): Promise<void> {
  const gdb = await GdbRemote.connect(socket, TIMEOUT_MS);
  try {
    await gdb.description('target.xml'); // QEMU gives out CSRs to those who have asked for it
    const stimecmp = csrNumber(await gdb.description('riscv-csr.xml'), STIMECMP);
    for (let vcpu = 0; vcpu < vcpus; vcpu++) {
      await gdb.chooseVcpu(vcpu);
      await gdb.setRegister(stimecmp, await gdb.register(stimecmp));
    }
  } finally {
    gdb.close();
  }
}

/** GDB's number of a CSR. The description lists those that a hart had when it was made; they are in order. */
function csrNumber(description: string, csr: number): number {
  const known = /<reg name="mhartid"[^>]* regnum="(\d+)"/.exec(description)?.[1];
  if (known === undefined) throw new Error('gdbstub: the description of CSRs does not tell the number of mhartid');
  return Number(known) - MHARTID + csr;
}
