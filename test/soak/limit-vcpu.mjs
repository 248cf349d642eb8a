/**
 * Runs in a Linux that has nothing else to do (control-groups.test.ts): a thread of this process that never rests, as that
 * of a vCPU, gets less CPU, and all of it back; once where the process is, and once in the group of a VM. Tells each share.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ControlGroups } from '../../dist/libs/hypervisor/isolation/control-group.js';
import { VcpuLimit } from '../../dist/libs/hypervisor/vcpu-limit.js';

const MEASURED_MS = 3000;
const { pid } = process;
const read = (file) => readFileSync(file, 'utf8').trim();
const tasks = () => readdirSync('/proc/self/task').map(Number);
const groupOf = (task) => read(`/proc/${pid}/task/${task}/cgroup`).replace('0::', '');
const ranNs = (task) => Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]);

/** Of a core, that the thread gets. */
async function shareOf(task) {
  const [beforeNs, beganAt] = [ranNs(task), performance.now()];
  await sleep(MEASURED_MS);
  return (ranNs(task) - beforeNs) / 1e6 / (performance.now() - beganAt);
}

/** The thread of a worker that does nothing but run. */
async function busyThread() {
  const others = new Set(tasks());
  const worker = new Worker('for (;;);', { eval: true });
  await new Promise((resolve) => worker.once('online', resolve));
  await sleep(1000);
  const [busiest] = tasks()
    .filter((task) => !others.has(task))
    .toSorted((a, b) => ranNs(b) - ranNs(a));
  return busiest;
}

const task = await busyThread();
const limit = new VcpuLimit();
const told = { controllers: read('/sys/fs/cgroup/cgroup.controllers').split(' '), places: [] };
for (const place of ['/', '/drover/vm-1']) {
  if (place !== '/') {
    const limits = { memoryBytes: 512 * 2 ** 20, cpuCores: 2, threads: 64 };
    for (const file of ControlGroups.open().create('vm-1', limits)) writeFileSync(file, String(pid));
  }
  const isPossible = limit.isPossible(pid);
  const free = await shareOf(task);
  limit.set(pid, [task], 0.2);
  const [own, main] = [groupOf(task), groupOf(pid)];
  const limited = await shareOf(task);
  limit.lift(pid, [task]);
  const lifted = await shareOf(task);
  const isGone = !existsSync(`/sys/fs/cgroup${own}`);
  told.places.push({ place, isPossible, own, main, isGone, free, limited, lifted });
}
const files = ['memory.max', 'cpu.max', 'pids.max'];
told.limits = Object.fromEntries(files.map((file) => [file, read(`/sys/fs/cgroup/drover/vm-1/${file}`)]));
console.log(`TOLD ${JSON.stringify(told)}`);
process.exit();
