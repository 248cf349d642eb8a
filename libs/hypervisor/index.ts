/** What an agent asks of a running VM. Drivers: `vmm`, Drover's own VMM; `qemu`. */
export {
  type ConsoleOutput,
  firstKeptByte,
  readConsole,
  readConsoleTail,
  trimConsole,
  writeConsole,
} from './console.js';
export { checkpointFile } from './checkpoint-file.js';
export { AgentCommandError, AgentSilence } from './agent-channel.js';
export { GuestAgent, reachableAddresses, type GuestInterface, type GuestVcpu } from './guest-agent.js';
export { STANDARD_DEVICES, type StandardDevice } from './hypervisor.js';
export type {
  CheckpointFigures,
  ClientCredentials,
  DiskExport,
  Hypervisor,
  IncomingFigures,
  MigrateOptions,
  MigrationLimits,
  MirrorFigures,
  NbdAddress,
  OutgoingFigures,
  PageShares,
  RunState,
  VmEnd,
  VmHandle,
  VmPlace,
  VmProcess,
} from './hypervisor.js';
export { Isolation, type MeasureState } from './isolation/isolation.js';
export { lastLines } from './process-log.js';
export { makeVmFolder, runtimeFolderFor } from './runtime-folder.js';
export { QemuDriver } from './qemu-driver.js';
export { QEMU_ARCHITECTURES } from './qemu-machines.js';
export { findQemus, type QemuProgram } from './qemu-programs.js';
export type { MeansOfProcess, MeansToApply } from './migration-means.js';
export { VcpuLimit } from './vcpu-limit.js';
export type { TlsCredentials } from './tls-credentials.js';
export { maxMemoryMiBOf, VmmDriver } from './vmm-driver.js';
