/**
 * System calls that a running VMM has no use for and that an intruder would have: as QEMU's -sandbox, they are those
 * that start programs, change identity, look into other processes, mount, or reach deep into the kernel.
 * Numbers: Linux, arch/x86/entry/syscalls/syscall_64.tbl and include/uapi/asm-generic/unistd.h.
 */

/** AUDIT_ARCH_* of include/uapi/linux/audit.h. */
export const ARCHITECTURES = {
  x64: { audit: 0xc000_003e, clone: 56, clone3: 435 },
  arm64: { audit: 0xc000_00b7, clone: 220, clone3: 435 },
} as const;

export type Architecture = keyof typeof ARCHITECTURES;

/** By name: the number on x64 and on arm64; null where there is no such call. */
const DENIED: Readonly<Record<string, readonly [number | null, number | null]>> = {
  // programs and processes (threads are clone, which the filter looks at more closely)
  ...{ execve: [59, 221], execveat: [322, 281], fork: [57, null], vfork: [58, null] },
  ...{ ptrace: [101, 117], process_vm_readv: [310, 270], process_vm_writev: [311, 271], pidfd_getfd: [438, 438] },
  ...{ kcmp: [312, 272], process_madvise: [440, 440] },
  // identity
  ...{ setuid: [105, 146], setgid: [106, 144], setreuid: [113, 145], setregid: [114, 143] },
  ...{ setresuid: [117, 147], setresgid: [119, 149], setfsuid: [122, 151], setfsgid: [123, 152] },
  ...{ setgroups: [116, 159], capset: [126, 91] },
  // namespaces and file systems
  ...{ unshare: [272, 97], setns: [308, 268], mount: [165, 40], umount2: [166, 39], pivot_root: [155, 41] },
  ...{ chroot: [161, 51], open_tree: [428, 428], move_mount: [429, 429], fsopen: [430, 430], fsconfig: [431, 431] },
  ...{ fsmount: [432, 432], fspick: [433, 433], mount_setattr: [442, 442], quotactl: [179, 60], acct: [163, 89] },
  ...{ name_to_handle_at: [303, 264], open_by_handle_at: [304, 265], swapon: [167, 224], swapoff: [168, 225] },
  // the kernel itself
  ...{ reboot: [169, 142], kexec_load: [246, 104], kexec_file_load: [320, 294], syslog: [103, 116] },
  ...{ init_module: [175, 105], finit_module: [313, 273], delete_module: [176, 106], bpf: [321, 280] },
  ...{ perf_event_open: [298, 241], userfaultfd: [323, 282], io_uring_setup: [425, 425] },
  ...{ add_key: [248, 217], request_key: [249, 218], keyctl: [250, 219] },
  ...{ iopl: [172, null], ioperm: [173, null], modify_ldt: [154, null] },
  ...{ sethostname: [170, 161], setdomainname: [171, 162], settimeofday: [164, 170], clock_settime: [227, 112] },
  ...{ adjtimex: [159, 171], clock_adjtime: [305, 266] },
};

/** Numbers of the calls that are denied altogether. */
export function deniedCalls(architecture: Architecture): number[] {
  const column = architecture === 'x64' ? 0 : 1;
  return Object.values(DENIED)
    .map((numbers) => numbers[column]!)
    .filter((number) => number !== null);
}
