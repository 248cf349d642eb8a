import type { Command } from 'commander';
import { HostStatus, maxMemoryMiBOf, type HostDriver, type HostView } from '#contracts';
import { oneOf } from '../arguments.js';
import { all, findCluster, findHost } from '../lookup.js';
import { change, show } from '../output.js';
import { healthText } from './maintenance.js';
import { ago, mibps, percent, record, table } from '../table.js';
import { hostPowerCommands } from './host-power.js';

const rowOf = (host: HostView) => [
  host.name,
  host.status,
  percent(host.cpuUsedCores, host.cpuCores),
  percent(host.memoryUsedMiB, host.memoryMiB),
  host.vmCount,
  host.migrationCount,
  ago(host.lastHeartbeatAt, Date.now()),
  host.statusReason,
];

/** What keeps VMs apart, and why the rest does not. */
const isolationOf = ({ isolation }: HostView): string =>
  (isolation ?? []).map(({ measure, inForce, reason }) => (inForce ? measure : `no ${measure} (${reason})`)).join(', ');

/** Such as qemu x86_64 7.2.22 (kvm). */
function driverText(driver: HostDriver): string {
  const { hypervisor, architecture, accelerator, version } = driver;
  const what = hypervisor === 'qemu' ? accelerator : `guests of up to ${maxMemoryMiBOf(driver)} MiB`;
  return `${hypervisor} ${architecture} ${version} (${what})`;
}

/** Memory of VMs that left. */
const checkpointsOf = ({ checkpoints }: HostView): string =>
  checkpoints.length === 0
    ? 'none'
    : `${checkpoints.reduce((sum, { sizeMiB }) => sum + sizeMiB, 0)} MiB of ${checkpoints.length} VMs that left`;

/** What its VMs send or receive, and what its link carries. */
const networkText = ({ networkUsedMiBps, linkMiBps }: HostView): string =>
  `${mibps(networkUsedMiBps)} of ${mibps(linkMiBps)}`;

const oneHost = (host: HostView) => ({
  value: host,
  text: [hostText(host), ...(host.health ? [healthText(host.health)] : [])].join('\n\n'),
});

const hostText = (host: HostView) =>
  record({
    name: host.name,
    id: host.id,
    status: host.status,
    reason: host.statusReason,
    cpu: `${percent(host.cpuUsedCores, host.cpuCores)} of ${host.cpuCores ?? '?'} cores`,
    memory: `${host.memoryUsedMiB ?? '?'} of ${host.memoryMiB ?? '?'} MiB`,
    network: networkText(host),
    vms: host.vmCount,
    migrations: host.migrationCount,
    'runs VMs by': host.drivers.map(driverText).join(', '),
    isolation: isolationOf(host),
    labels: host.labels.join(', '),
    checkpoints: checkpointsOf(host),
    'devices for guests': host.hostDevices.join(', '),
    'free for disks': host.storage.map(({ path, freeMiB }) => `${freeMiB} MiB in ${path}`).join(', '),
    agent: host.agentVersion,
    heartbeat: ago(host.lastHeartbeatAt, Date.now()),
  });

export function hostCommands(program: Command): void {
  const hosts = program.command('hosts').description('hosts and their maintenance');
  hosts
    .command('list', { isDefault: true })
    .description('all hosts with their load')
    .addOption(oneOf('--status <status>', 'only those in this status', HostStatus))
    .action((options: { status?: HostStatus }, command: Command) =>
      show(command, async (client) => {
        const value = await all((cursor) => client.hosts.list({ cursor, status: options.status }));
        return {
          value,
          text: table(
            ['NAME', 'STATUS', 'CPU', 'MEMORY', 'VMS', 'MIGRATIONS', 'HEARTBEAT', 'REASON'],
            value.map(rowOf),
          ),
        };
      }),
    );
  hosts
    .command('show <host>')
    .description('one host, by name or id')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => oneHost(await findHost(client, name))),
    );
  hosts
    .command('add <name>')
    .description('makes a host known and prints the token with which its agent enrols, once')
    .option('--cluster <cluster>', 'the cluster that it joins')
    .action((name: string, options: { cluster?: string }, command: Command) =>
      change(command, async (client) => {
        const { id } = await findCluster(client, options.cluster);
        const value = await client.hosts.create({ name, clusterId: id });
        return { value, text: record({ name: value.name, id: value.id, 'enrolment token': value.enrolmentToken }) };
      }),
    );
  hosts
    .command('label <host> [labels...]')
    .description('its labels from now on, for affinity groups; none takes them away')
    .action((name: string, labels: string[], _options, command: Command) =>
      change(command, async (client) =>
        oneHost(await client.hosts.update((await findHost(client, name)).id, { labels })),
      ),
    );
  hosts
    .command('deactivate <host>')
    .description('maintenance: moves all its VMs away, lets no new ones in')
    .requiredOption('--reason <text>', 'why, for those who find it empty')
    .action((name: string, options: { reason: string }, command: Command) =>
      change(command, async (client) => {
        const { id } = await findHost(client, name);
        return oneHost(await client.hosts.deactivate(id, { reason: options.reason }));
      }),
    );
  hosts
    .command('activate <host>')
    .description('ends maintenance, or cancels its preparation')
    .action((name: string, _options, command: Command) =>
      change(command, async (client) => oneHost(await client.hosts.activate((await findHost(client, name)).id))),
    );
  hostPowerCommands(hosts);
  hosts
    .command('remove <host>')
    .alias('delete')
    .description('forgets a host in maintenance')
    .action((name: string, _options, command: Command) =>
      change(command, async (client) => {
        const host = await findHost(client, name);
        await client.hosts.remove(host.id);
        return { value: { removed: host.id }, text: `host ${host.name} removed` };
      }),
    );
}
