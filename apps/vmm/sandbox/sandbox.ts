/** `-sandbox on`: this process gains no privileges any more, and loses the system calls that it has no use for. */
import { INSTRUCTION_BYTES, seccompFilter } from './seccomp-filter.js';
import { ARCHITECTURES, type Architecture } from './system-calls.js';

// include/uapi/linux/prctl.h, seccomp.h; the number of seccomp(2) is by architecture
const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_TSYNC = 1;
const SECCOMP_CALL: Readonly<Record<Architecture, number>> = { x64: 317, arm64: 277 };

/**
 * Gets ready; what it resolves to enters the sandbox, at once and with all threads of the process, those to come too.
 * Both throw an Error with the reason if the kernel does not do it, or if there is no filter for this architecture.
 */
export async function prepareSandbox(): Promise<() => void> {
  const architecture = Object.keys(ARCHITECTURES).find((name): name is Architecture => name === process.arch);
  if (process.platform !== 'linux' || !architecture) {
    throw new Error(`there is no filter for ${process.platform} on ${process.arch}`);
  }
  const { default: koffi } = await import('koffi');
  const libc = koffi.load(null);
  const prctl = libc.func('int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)');
  const program = koffi.struct({ len: 'uint16_t', filter: 'void *' });
  const seccomp = libc.func('syscall', 'long', ['long', 'long', 'long', koffi.pointer(program)]);
  const filter = seccompFilter(architecture);
  const check = (what: string, result: unknown) => {
    if (result !== 0) throw new Error(`${what} gave ${String(result)} (errno ${koffi.errno()})`);
  };
  return () => {
    check('prctl(PR_SET_NO_NEW_PRIVS)', prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    const given = { len: filter.length / INSTRUCTION_BYTES, filter };
    const flags = SECCOMP_FILTER_FLAG_TSYNC;
    check('seccomp', seccomp(SECCOMP_CALL[architecture], SECCOMP_SET_MODE_FILTER, flags, given));
  };
}
