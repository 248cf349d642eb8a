/** A seccomp filter (seccomp(2)): a program for the kernel's packet filter that looks at each system call. Pure. */
import { ARCHITECTURES, deniedCalls, type Architecture } from './system-calls.js';

// include/uapi/linux/bpf_common.h and seccomp.h
const LOAD_WORD = 0x20;
const JUMP_EQUAL = 0x15;
const JUMP_AT_LEAST = 0x35;
const JUMP_ANY_BIT = 0x45;
const RETURN = 0x06;
const ALLOW = 0x7fff_0000;
const ERRNO = 0x0005_0000;
const EPERM = 1;
const ENOSYS = 38;

// struct seccomp_data
const NUMBER = 0;
const ARCHITECTURE = 4;
const FIRST_ARGUMENT = 16;

const CLONE_THREAD = 0x1_0000;
/** From here on numbers mean x32, another table of calls, on x64. */
const X32 = 0x4000_0000;
/** sizeof(struct sock_filter) */
export const INSTRUCTION_BYTES = 8;

type Label = 'clone' | 'thread' | 'deny' | 'absent';
interface Instruction {
  readonly code: number;
  readonly value: number;
  /** Where to go on if the condition holds, and if not; the next instruction unless said. */
  readonly yes?: Label;
  readonly no?: Label;
  readonly label?: Label;
}

const load = (value: number, label?: Label): Instruction => ({ code: LOAD_WORD, value, ...(label && { label }) });
const jump = (code: number, value: number, yes: Label): Instruction => ({ code, value, yes });
const answer = (value: number, label?: Label): Instruction => ({ code: RETURN, value, ...(label && { label }) });

/**
 * The filter as an array of struct sock_filter. Calls that are denied fail with EPERM; clone3 fails with ENOSYS, after
 * which libc takes clone, whose flags can be seen: it may start threads, and no processes.
 */
export function seccompFilter(architecture: Architecture): Uint8Array {
  const { audit, clone, clone3 } = ARCHITECTURES[architecture];
  return encode([
    load(ARCHITECTURE),
    { code: JUMP_EQUAL, value: audit, no: 'deny' },
    load(NUMBER),
    jump(JUMP_AT_LEAST, X32, 'deny'),
    jump(JUMP_EQUAL, clone3, 'absent'),
    jump(JUMP_EQUAL, clone, 'clone'),
    ...deniedCalls(architecture).map((number) => jump(JUMP_EQUAL, number, 'deny')),
    answer(ALLOW),
    load(FIRST_ARGUMENT, 'clone'),
    { code: JUMP_ANY_BIT, value: CLONE_THREAD, yes: 'thread', no: 'deny' },
    answer(ALLOW, 'thread'),
    answer(ERRNO | EPERM, 'deny'),
    answer(ERRNO | ENOSYS, 'absent'),
  ]);
}

/** Jumps go forward only, and count from the instruction after. */
function encode(program: readonly Instruction[]): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(program.length * INSTRUCTION_BYTES));
  program.forEach(({ code, value, yes, no }, index) => {
    const distance = (to: Label | undefined) =>
      to === undefined ? 0 : program.findIndex(({ label }) => label === to) - index - 1;
    const at = index * INSTRUCTION_BYTES;
    bytes.setUint16(at, code, true);
    bytes.setUint8(at + 2, distance(yes));
    bytes.setUint8(at + 3, distance(no));
    bytes.setUint32(at + 4, value, true);
  });
  return new Uint8Array(bytes.buffer);
}
