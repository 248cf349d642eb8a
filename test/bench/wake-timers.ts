/**
 * QEMU 7.2 migrates the time of a RISC-V machine but not its timers (hw/intc/riscv_aclint.c: the timer's vmstate does not
 * start them again), so a guest that slept at the switchover sleeps for ever. Writing to mtimecmp from outside, through
 * QEMU's test protocol (docs/devel/testing/qtest.rst), makes the timer fire once; the guest then sets the next one itself.
 */
import { once } from 'node:events';
import { connect } from 'node:net';

const MTIMECMP = 0x0200_4000;

export const wakeableArgs = (path: string): readonly string[] => [
  ...['-qtest', `unix:${path},server=on,wait=off`, '-qtest-log', 'none', '-accel', 'tcg'],
];

/** Makes the timer interrupt of each hart pending. Throws if QEMU does not take it. */
export async function wakeTimers(path: string, harts: number): Promise<void> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    for (let hart = 0; hart < harts; hart++) {
      socket.write(`writeq ${MTIMECMP + 8 * hart} 0\n`);
      const [answer] = (await once(socket, 'data')) as [Buffer];
      if (!answer.toString().startsWith('OK')) throw new Error(`QEMU's test protocol answered ${answer.toString()}`);
    }
  } finally {
    socket.destroy();
  }
}
