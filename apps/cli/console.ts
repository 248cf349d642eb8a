/** A VM's console, read through the controller from the host that the VM is on. */
import { ApiError, type DroverClient } from '#client';
import type { VmStatus } from '#contracts';

type Write = (text: string) => void;

const POLL_MS = 500;
const SETTLED: readonly VmStatus[] = ['up', 'paused', 'down'];

/** What is there now, from its beginning. */
export async function printConsole(client: DroverClient, vmId: string, write: Write): Promise<void> {
  await printFrom(client, vmId, { offset: 0 }, write);
}

/** What is there and what comes, until the VM is down. Each start and each move begins a console of its own. */
export async function followConsole(client: DroverClient, vmId: string, write: Write): Promise<void> {
  let epoch: number | undefined;
  let place = { offset: 0 };
  let wasRefused = false;
  for (;;) {
    const vm = await client.vms.get(vmId);
    if (vm.status === 'down' && epoch !== undefined) return;
    if (vm.epoch !== epoch) place = { offset: 0 };
    epoch = vm.epoch;
    try {
      await printFrom(client, vmId, place, write);
      wasRefused = false;
    } catch (error) {
      // While it starts, moves or stops there may be none for a moment; and it may have begun to since it was asked for.
      const isSettled = SETTLED.includes(vm.status);
      if (!(error instanceof ApiError) || (isSettled && wasRefused)) throw error;
      wasRefused = isSettled;
    }
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

/** Prints what there is from `place` on, which goes along: what was printed before a refusal is not printed again. */
async function printFrom(client: DroverClient, vmId: string, place: { offset: number }, write: Write): Promise<void> {
  for (;;) {
    const { text, next } = await client.vms.console(vmId, place.offset);
    if (next <= place.offset) return;
    write(text);
    place.offset = next;
  }
}
