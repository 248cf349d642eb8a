/**
 * A Linux guest's file system on a disk of the host, written, moved while it is written, and verified by both sides; and
 * the guest's agent, which is asked before and after, and shuts it down.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { GuestAgent } from '#hypervisor';
import { isInstalled } from '../programs.js';
import { hasLinux, LinuxVm } from '../vmm/linux.js';

const MIB = 2 ** 20;
const hasE2fsck = isInstalled('e2fsck', "the host's look at a guest's file system", '-V');

const EVENTUALLY = { timeout: 90_000, interval: 100 };

const agents = new Map<LinuxVm, GuestAgent>();
/** The agent of the guest, at the port that it has where it is now. */
function agentOf(vm: LinuxVm): GuestAgent {
  const agent = agents.get(vm) ?? new GuestAgent({ path: join(vm.vmm.folder, 'agent'), timeoutMs: 90_000 });
  agents.set(vm, agent);
  onTestFinished(() => agent.close());
  return agent;
}

describe.runIf(hasLinux('the tests of a Linux guest with a disk'))('a Linux guest', () => {
  test('has a file system on its disk, which is whole after moves', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'drover-linux-disk-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const [image, data, console] = ['disk.img', 'data.img', 'hvc0'].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    writeFileSync(image, '');
    truncateSync(image, 64 * MIB);
    writeFileSync(data, Buffer.alloc(MIB, 'read-only data '));
    const args = [
      ...['-drive', `file=${image},format=raw,if=none,id=d0,discard=unmap`],
      ...['-device', 'virtio-blk-device,drive=d0,serial=drover-disk,num-queues=2'],
      ...['-drive', `file=${data},format=raw,if=virtio,readonly=on`],
      ...['-chardev', `file,path=${console},append=on,id=c0`],
      ...['-device', 'virtio-serial-device', '-device', 'virtconsole,chardev=c0'],
      ...['-chardev', 'socket,path=agent,server=on,wait=off,id=c1'],
      ...['-device', 'virtserialport,chardev=c1,name=org.qemu.guest_agent.0,id=agent'],
    ];
    let vm = await LinuxVm.start({ harts: 2, args });
    await vm.waitFor(/drover: ready after .* s\r?\n[^]*# /);
    expect(await vm.shell('cd /sys/block/vda; echo $(cat serial) $(cat size)')).toBe(`drover-disk ${(64 * MIB) / 512}`);
    const agent = () => agentOf(vm);
    await vi.waitFor(() => agent().ping(), EVENTUALLY);
    expect((await agent().interfaces()).map(({ name, addresses }) => [name, addresses[0]])).toEqual([
      ['lo', '127.0.0.1'],
    ]);

    const sum = createHash('sha256').update(readFileSync(data)).digest('hex');
    expect(await vm.shell('sha256sum /dev/vdb; cat /sys/block/vdb/ro')).toBe(`${sum}  /dev/vdb\n1`);

    const mount = 'mount -t ext4 -o discard /dev/vda /mnt';
    await vm.shell(`/sbin/mke2fs -q -t ext4 /dev/vda && modprobe ext4 && ${mount} && mkdir /mnt/a`);
    await vm.shell('cd /mnt/a && for n in 1 2 3 4; do head -c 400000 /dev/urandom > $n; done && sha256sum * > ../sums');
    await vm.shell(`umount /mnt && ${mount} && cd /mnt/a && sha256sum -c ../sums`);
    await vm.shell('echo written by the guest > /dev/hvc0');

    // Moved in the midst of writing: every round is checked, and a round that is wrong stays.
    const round = 'cp -r a b; sync; (cd b; sha256sum -cs ../sums) || break; rm -r b; echo $n > rounds';
    await vm.shell(
      `cd /mnt; (n=0; while [ ! -e stop ]; do n=$((n+1)); ${round}; done; touch stopped) > /dev/null 2>&1 &`,
    );
    const rounds = async () => Number(await vm.shell('cat /mnt/rounds 2>/dev/null || echo 0'));
    for (let moves = 1; moves <= 2; moves++) {
      vm = await vm.move({ harts: 2, args, postcopy: moves === 2 });
      const before = await rounds();
      await vi.waitFor(async () => expect(await rounds()).toBeGreaterThan(before), { timeout: 90_000 });
    }
    const stopped = 'touch /mnt/stop; until [ -e /mnt/stopped ]; do sleep 0.2; done; [ ! -e /mnt/b ]';
    await vm.shell(`${stopped} && echo 3 > /proc/sys/vm/drop_caches && cd /mnt/a && sha256sum -c ../sums`);
    expect(await agent().freeze()).toBe(1);
    expect(await agent().isFrozen()).toBe(true);
    expect(await agent().thaw()).toBe(1);
    expect(await agent().isFrozen()).toBe(false);
    await vm.shell('umount /mnt && /sbin/e2fsck -fn /dev/vda && echo and by the guest that was moved > /dev/hvc0');
    const stats = await vm.qmp.execute<{ device: string; stats: Record<string, number> }[]>('query-blockstats');
    const { stats: figures } = stats.find(({ device }) => device === 'd0')!;
    for (const name of ['rd_bytes', 'wr_bytes', 'flush_operations', 'unmap_bytes'])
      expect(figures[name]).toBeGreaterThan(0);
    const online = async () =>
      (await agent().vcpus()).flatMap(({ logicalId, isOnline }) => (isOnline ? logicalId : []));
    expect(await agent().setVcpus([{ logicalId: 1, isOnline: false }])).toBe(1);
    expect(await online()).toEqual([0]);
    expect(await agent().setVcpus([{ logicalId: 1, isOnline: true }])).toBe(1);
    expect((await online()).toSorted()).toEqual([0, 1]);
    await agent().shutdown();
    expect(await vm.vmm.ended).toBe(0);

    expect(readFileSync(console, 'utf8')).toMatch(/written by the guest\r?\nand by the guest that was moved\r?\n/);
    if (hasE2fsck) expect(spawnSync('e2fsck', ['-fn', image])).toMatchObject({ status: 0 });
    expect(statSync(image).blocks * 512).toBeLessThan(32 * MIB); // what was removed has been given back
  }, 300_000);
});
