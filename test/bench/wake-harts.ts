/**
 * QEMU 7.2 migrates the time of a RISC-V machine but not its timers (hw/intc/riscv_aclint.c: nothing starts them again), so
 * a guest that slept at the switchover sleeps for ever. A software interrupt from outside, through QEMU's test protocol
 * (docs/devel/testing/qtest.rst), makes its firmware return from the sleep; the guest then sets its next timer itself.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

/** CLINT: one word for each hart, 1 = software interrupt. */
const MSIP = 0x0200_0000;

/** QEMU's options for that. */
export const wakeableArgs = (path: string): readonly string[] => [
  ...['-qtest', `unix:${path},server=on,wait=off`, '-qtest-log', 'none', '-accel', 'tcg'],
];

/** Interrupts each hart once. Throws if QEMU does not take it. */
export async function wakeHarts(path: string, harts: number): Promise<void> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    for (let hart = 0; hart < harts; hart++) {
      socket.write(`writel ${MSIP + 4 * hart} 1\n`);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      if (!answer.toString().startsWith('OK')) throw new Error(`QEMU's test protocol answered ${answer.toString()}`);
    }
  } finally {
    socket.destroy();
  }
}
