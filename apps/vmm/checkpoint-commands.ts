/** QMP commands by which a VM that has left leaves its memory behind, for its return. */
import { bindCodec, contentPages } from '#migration';
import { integer, optional, QmpError, string, type QmpServer } from '#qmp';
import type { GuestMemory } from '#vmm';
import { checkpointBytes, writeCheckpoint } from './checkpoint-file.js';
import type { Vm } from './vm.js';

/** Answer of x-drover-query-checkpoint; `none`: nobody has asked for one. */
type CheckpointState =
  | { readonly status: 'none' }
  | { readonly status: 'writing' | 'written'; readonly pages: number; readonly bytes: number }
  | { readonly status: 'failed'; readonly 'error-desc': string };

/** `log`: one line for whoever reads this process's complaints. */
export function registerCheckpointCommands(
  qmp: QmpServer,
  vm: Vm,
  codecModule: WebAssembly.Module,
  log: (line: string) => void,
): void {
  let state: CheckpointState = { status: 'none' };
  const { memory } = vm.machine;

  /** Nobody runs in this memory any more, so it is the main thread's to scan and write. */
  const write = async (path: string, maxBytes: number): Promise<void> => {
    const pages = contentPages(memory, bindCodec(codecModule, memory.memory, memory.addresses));
    const bytes = checkpointBytes(pages.length);
    if (bytes > maxBytes) throw new Error(`it would take ${bytes} bytes, more than the ${maxBytes} that it may`);
    state = { status: 'writing', pages: pages.length, bytes };
    await writeCheckpoint(path, memory, pages);
    state = { status: 'written', pages: pages.length, bytes };
  };

  const checks = { path: string, 'max-size': optional(integer(0)) };
  qmp.register('x-drover-save-checkpoint', checks, ({ path, 'max-size': maxBytes = Infinity }) => {
    refuseUnlessLeft(vm, memory);
    if (state.status === 'writing') throw new QmpError('its checkpoint is being written already');
    state = { status: 'writing', pages: 0, bytes: 0 };
    write(path, maxBytes).catch(({ message }: Error) => {
      state = { status: 'failed', 'error-desc': message };
      log(`no checkpoint is kept: ${message}`);
    });
  });
  qmp.register('x-drover-query-checkpoint', {}, () => state);
}

function refuseUnlessLeft(vm: Vm, memory: GuestMemory): void {
  if (vm.runState !== 'postmigrate' || !memory.isComplete) {
    throw new QmpError(`a VM that is ${vm.runState} has not left: checkpoints are of memory that nobody uses`);
  }
}
