/** What SBI calls do on this board: sbi.ts says what the guest asks for, the ports here carry it out for one hart. */
import { requestAttention } from './attention.js';
import { BOARD } from './board.js';
import { FINISHER_FAIL, FINISHER_PASS, FINISHER_RESET } from './devices/finisher.js';
import type { Hart } from './hart.js';
import { MIP_SSIP, setPending } from './interrupts.js';
import { ATTENTION_HSM, H_HSM, H_MISSING, H_START_OPAQUE, H_START_PC, H_STIMECMP } from './layout.js';
import type { Mail } from './mailbox.js';
import type { GuestMemory } from './memory.js';
import type { FenceRange } from './remote-fence.js';
import {
  handleSbi,
  HSM_START_PENDING,
  HSM_STARTED,
  HSM_STOPPED,
  HSM_SUSPENDED,
  type ResetKind,
  type SbiPorts,
} from './sbi.js';
import { compareExchange32, hartBlock, load32, loadU64, store32, store64 } from './shared.js';

/** A console call may be done in parts: this much at a time. */
const CONSOLE_CHUNK = 4096;
const ECALL_BYTES = 4n;
const SIE = 0x104;
const RESET_COMMANDS: Record<ResetKind, number> = {
  shutdown: FINISHER_PASS,
  failure: FINISHER_FAIL | (1 << 16),
  reboot: FINISHER_RESET,
};

/** The hart that has made a call, and what its thread does for it. */
export interface SbiCaller {
  readonly memory: GuestMemory;
  readonly hart: Hart;
  /** Asks the main thread, and waits for its answer. */
  post(mail: Mail): bigint | undefined;
  remoteFence(harts: readonly number[], range: FenceRange | undefined): void;
  /** The page in H_MISSING is needed. */
  missPage(): void;
}

/** Answers the call that the hart has just made: error and value go into a0 and a1, if it is to see them. */
export function answerSbi(caller: SbiCaller): void {
  const { hart } = caller;
  const args = [10, 11, 12, 13, 14, 15].map((register) => hart.x(register));
  const result = handleSbi({ extension: hart.x(17), function: hart.x(16), args }, portsOf(caller));
  if (!result) return;
  hart.setX(10, BigInt.asUintN(64, BigInt(result.error)));
  hart.setX(11, result.value);
}

/** Lets a hart begin where HSM hart_start said, if its start is pending; true if it was. */
export function completeStart(memory: GuestMemory, hart: Hart): boolean {
  const block = hartBlock(hart.hartId);
  if (load32(memory, block + H_HSM) !== HSM_START_PENDING) return false;
  const [pc, a1] = [loadU64(memory, block + H_START_PC), loadU64(memory, block + H_START_OPAQUE)];
  hart.reset({ mode: 'S', pc, a0: BigInt(hart.hartId), a1 });
  store32(memory, block + H_HSM, HSM_STARTED);
  return true;
}

function portsOf(caller: SbiCaller): SbiPorts {
  const { memory, hart } = caller;
  const block = hartBlock(hart.hartId);
  return {
    harts: memory.harts,
    isRam: (address, size) => memory.isRam(Number(address), Number(size)),
    setTimer: (ticks) => store64(memory, block + H_STIMECMP, ticks),
    sendIpi: (harts) => harts.forEach((target) => setPending(memory, target, MIP_SSIP, true)),
    remoteFence: (harts, range) => caller.remoteFence(harts, range),
    hartState: (target) => load32(memory, hartBlock(target) + H_HSM),
    startHart: (target, pc, opaque) => {
      const its = hartBlock(target);
      if (!compareExchange32(memory, its + H_HSM, HSM_STOPPED, HSM_START_PENDING)) return false;
      store64(memory, its + H_START_PC, pc);
      store64(memory, its + H_START_OPAQUE, opaque);
      requestAttention(memory, target, ATTENTION_HSM);
      return true;
    },
    stopSelf: () => store32(memory, block + H_HSM, HSM_STOPPED),
    suspendSelf: (resume) => {
      store32(memory, block + H_HSM, HSM_SUSPENDED);
      if (!resume) return;
      const sie = hart.csr(SIE); // decides what wakes it
      hart.reset({ mode: 'S', pc: resume.pc, a0: BigInt(hart.hartId), a1: resume.opaque });
      hart.setCsr(SIE, sie);
    },
    systemReset: (kind) => {
      const value = BigInt(RESET_COMMANDS[kind]);
      caller.post({ kind: 'write', address: BOARD.finisher.base, size: 4, value });
    },
    consoleWrite: (address, size) => useConsole(caller, 'consoleWrite', address, size),
    consoleRead: (address, size) => useConsole(caller, 'consoleRead', address, size),
    consoleWriteByte: (byte) => {
      caller.post({ kind: 'write', address: BOARD.uart.base, size: 1, value: BigInt(byte) });
    },
  };
}

/** If a page of the buffer is missing, nothing is done, and the guest makes the call again when that has come. */
function useConsole(
  { memory, hart, post, missPage }: SbiCaller,
  kind: 'consoleWrite' | 'consoleRead',
  address: bigint,
  size: bigint,
): bigint | undefined {
  const bytes = Math.min(Number(size), CONSOLE_CHUNK);
  const [missing] = memory.missingPages(Number(address), bytes);
  if (missing === undefined) return post({ kind, address: Number(address), size: bytes, value: 0n }) ?? 0n;
  hart.pc -= ECALL_BYTES;
  store32(memory, hartBlock(hart.hartId) + H_MISSING, missing + 1);
  missPage();
  return undefined;
}
