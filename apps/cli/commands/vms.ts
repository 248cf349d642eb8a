import { type Command, Option } from 'commander';
import type { DroverClient } from '#client';
import { Architecture, HypervisorName, VmPlacement, VmStatus, type VmView } from '#contracts';
import { oneOf, wholeNumber } from '../arguments.js';
import { diskOption } from '../disk-option.js';
import { all, findCluster, findHost, findStorageDomain, findVm, hostIdOf } from '../lookup.js';
import { moveText } from '../means.js';
import { followConsole, printConsole } from '../console.js';
import { change, refuseWatch, show } from '../output.js';
import { connect, type ConnectionOptions } from '../connection.js';
import { UsageError } from '../failure.js';
import { ago, mibps, record, table } from '../table.js';
import { vmMigrationCommands } from './vm-migration.js';

async function hostNames(client: DroverClient): Promise<Map<string, string>> {
  return new Map((await all((cursor) => client.hosts.list({ cursor }))).map((host) => [host.id, host.name]));
}

const rowOf = (vm: VmView, hosts: ReadonlyMap<string, string>) => [
  vm.name,
  vm.status,
  vm.hostId && (hosts.get(vm.hostId) ?? vm.hostId),
  vm.vcpus,
  vm.memoryMiB,
  vm.cpuUsedCores === null ? null : vm.cpuUsedCores.toFixed(2),
  vm.dirtyRateMiBps === null ? null : vm.dirtyRateMiBps.toFixed(1),
  vm.migrationCount,
  vm.statusReason,
];

async function oneVm(client: DroverClient, vm: VmView) {
  const hosts = await hostNames(client);
  const fields = {
    name: vm.name,
    id: vm.id,
    status: vm.status,
    reason: vm.statusReason,
    host: vm.hostId && (hosts.get(vm.hostId) ?? vm.hostId),
    vcpus: vm.vcpus,
    memory: `${vm.memoryMiB} MiB`,
    'runs on': `${vm.hypervisor}, ${vm.architecture}`,
    image: vm.image,
    append: vm.append,
    networks: vm.nics
      .map(({ network, mac, hostDevice }) => `${network} (${mac}${hostDevice ? `, device ${hostDevice}` : ''})`)
      .join(', '),
    'cannot be migrated': vm.migrationObstacle,
    disks: vm.disks
      .map(({ name, sizeMiB, storageDomain }) => `${name} (${sizeMiB} MiB on ${storageDomain})`)
      .join(', '),
    'guest name': vm.guest?.hostName,
    addresses: vm.guest?.ipAddresses.join(', '),
    cpu: vm.cpuUsedCores === null ? null : `${vm.cpuUsedCores.toFixed(2)} cores`,
    'dirty rate': vm.dirtyRateMiBps === null ? null : `${vm.dirtyRateMiBps.toFixed(1)} MiB/s`,
    network: vm.hostId === null ? null : mibps(vm.networkUsedMiBps),
    placement: vm.placement,
    priority: vm.priority,
    'high availability': vm.highAvailability ? 'yes' : 'no',
    labels: vm.labels.join(', '),
    migrations: vm.migrationCount,
    'a move takes': vm.migrationPrediction && moveText(vm.migrationPrediction, Date.now()),
    'exit code': vm.exitCode,
    started: vm.startedAt && `${ago(vm.startedAt, Date.now())} ago`,
    console: vm.consoleTail.trimEnd().split('\n').at(-1)?.trimEnd(),
  };
  return { value: vm, text: record(fields) };
}

/** Whether it is started elsewhere when its host was fenced. */
const highAvailabilityOption = () =>
  new Option('--high-availability <yes|no>', 'started elsewhere when its host has lost its power').choices([
    'yes',
    'no',
  ]);

interface SetOptions {
  readonly placement?: VmPlacement;
  readonly label?: string[];
  readonly priority?: number;
  readonly highAvailability?: 'yes' | 'no';
}

const PRIORITY = [
  '--priority <n>',
  '1 (low) to 100 (high): the higher leaves a host first that is emptied',
  wholeNumber,
] as const;

/** NETWORK, or NETWORK=DEVICE. */
function nicOf(text: string): { network: string; hostDevice?: string } {
  const [network = '', hostDevice] = text.split('=');
  return hostDevice === undefined ? { network } : { network, hostDevice };
}

export function vmCommands(program: Command): void {
  const vms = program.command('vms').description('virtual machines');
  vms
    .command('list', { isDefault: true })
    .description('all VMs')
    .option('--host <host>', 'only those on this host')
    .addOption(oneOf('--status <status>', 'only those in this status', VmStatus))
    .action((options: { host?: string; status?: VmStatus }, command: Command) =>
      show(command, async (client) => {
        const hostId = options.host && (await findHost(client, options.host)).id;
        const value = await all((cursor) => client.vms.list({ cursor, hostId, status: options.status }));
        const hosts = await hostNames(client);
        const heading = ['NAME', 'STATUS', 'HOST', 'VCPUS', 'MIB', 'CPU', 'DIRTY MIB/S', 'MIGRATIONS', 'REASON'];
        return {
          value,
          text: table(
            heading,
            value.map((vm) => rowOf(vm, hosts)),
          ),
        };
      }),
    );
  vms
    .command('why <vm>')
    .description('why it is where it is, and why it does not move: what every host is to it')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const value = await client.vms.placement((await findVm(client, name)).id);
        const rows = value.hosts.map((host) => [
          host.hostName,
          host.score === null ? null : Number(host.score.toFixed(1)),
          `${Math.round(host.cpuPercent)} %`,
          `${Math.round(host.memoryPercent)} %`,
          host.networkPercent === null ? 'unknown' : `${Math.round(host.networkPercent)} %`,
          [host.reason, ...host.broken].join('; '),
        ]);
        const heading = ['HOST', 'SCORE', 'CPU', 'MEMORY', 'NETWORK', 'WHY'];
        return {
          value,
          text: `${value.answer}\n\nlowest score first, by policy ${value.policy}\n${table(heading, rows)}`,
        };
      }),
    );
  vms
    .command('set <vm>')
    .description('changes what is given')
    .addOption(oneOf('--placement <placement>', 'who may move it: policies too, people alone, nobody', VmPlacement))
    .option('--label <label...>', 'its labels from now on')
    .option(...PRIORITY)
    .addOption(highAvailabilityOption())
    .action((name: string, options: SetOptions, command: Command) =>
      change(command, async (client) => {
        if (Object.keys(options).length === 0) throw new UsageError('nothing to set; --help tells what can be');
        const { placement, label: labels, priority } = options;
        const highAvailability = options.highAvailability && options.highAvailability === 'yes';
        const { id } = await findVm(client, name);
        return oneVm(client, await client.vms.update(id, { placement, labels, priority, highAvailability }));
      }),
    );
  vms
    .command('create <name>')
    .description('makes a VM and starts it')
    .requiredOption('--image <image>', "guest image in the hosts' image folders, such as linux or pager")
    .option('--cluster <cluster>', 'where it belongs')
    .option('--host <host>', 'where it starts; the scheduler chooses otherwise')
    .option('--vcpus <n>', 'harts', wholeNumber, 1)
    .option('--memory <MiB>', 'memory; drover hosts show tells the most that a host gives a guest', wholeNumber, 128)
    .option('--append <text>', 'kernel command line', '')
    .addOption(oneOf('--hypervisor <hypervisor>', 'what runs it: drover (default) or qemu', HypervisorName))
    .addOption(oneOf('--architecture <architecture>', 'riscv64 (default), or x86_64 on QEMU', Architecture))
    .option(
      '--network <network...>',
      'a network card on each of these networks; NETWORK=DEVICE adds a device of the host',
    )
    .option(
      '--disk <disk>',
      'a disk, several times for more: DOMAIN:MIB, or DOMAIN:MIB:IMAGE to begin with IMAGE.img of the host',
      diskOption,
    )
    .option(...PRIORITY)
    .addOption(highAvailabilityOption())
    .option('--no-start', 'leaves it down')
    .action(
      (
        name: string,
        options: Record<'image' | 'append', string> & {
          cluster?: string;
          host?: string;
          network?: string[];
          disk?: ReturnType<typeof diskOption>;
          hypervisor?: HypervisorName;
          architecture?: Architecture;
          vcpus: number;
          memory: number;
          priority?: number;
          highAvailability?: 'yes' | 'no';
          start: boolean;
        },
        command: Command,
      ) =>
        change(command, async (client) => {
          const clusterId = (await findCluster(client, options.cluster)).id;
          const hostId = options.host ? (await findHost(client, options.host)).id : null;
          const { image, append, vcpus, memory: memoryMiB, start, hypervisor, architecture, priority } = options;
          const machine = {
            vcpus,
            memoryMiB,
            ...(hypervisor && { hypervisor }),
            ...(architecture && { architecture }),
            ...(priority !== undefined && { priority }),
            highAvailability: options.highAvailability === 'yes',
          };
          const nics = options.network?.map(nicOf) ?? [];
          const disks = [];
          for (const { domain, ...disk } of options.disk ?? []) {
            disks.push({ ...disk, storageDomainId: (await findStorageDomain(client, domain)).id });
          }
          const definition = { name, clusterId, hostId, image, append, ...machine, nics, disks, start };
          return oneVm(client, await client.vms.create(definition));
        }),
    );

  vms
    .command('show <vm>')
    .description('one VM, by name or id')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => oneVm(client, await findVm(client, name))),
    );

  const onOne = (
    name: string,
    description: string,
    action: (client: DroverClient, vm: VmView, options: { host?: string; powerOff?: boolean }) => Promise<VmView>,
    options: readonly [string, string][] = [],
  ) => {
    const sub = vms.command(`${name} <vm>`).description(description);
    for (const [flags, text] of options) sub.option(flags, text);
    sub.action((vm: string, given: { host?: string; powerOff?: boolean }, command: Command) =>
      change(command, async (client) => oneVm(client, await action(client, await findVm(client, vm), given))),
    );
  };
  onOne(
    'start',
    'starts it',
    async (client, vm, { host }) => client.vms.start(vm.id, { hostId: await hostIdOf(client, host) }),
    [['--host <host>', 'where; the scheduler chooses otherwise']],
  );
  onOne(
    'stop',
    'asks the guest to shut down',
    (client, vm, { powerOff }) => client.vms.stop(vm.id, { mode: powerOff ? 'power_off' : 'shutdown' }),
    [['--power-off', 'ends it at once']],
  );
  onOne('pause', 'holds its harts', (client, vm) => client.vms.pause(vm.id));
  onOne('resume', 'lets its harts go on', (client, vm) => client.vms.resume(vm.id));

  vmMigrationCommands(vms);
  vms
    .command('console <vm>')
    .description('prints its console')
    .option('-f, --follow', 'and goes on as more comes, also when the VM moves, until it is down')
    .action(async (name: string, options: { follow?: boolean }, command: Command) => {
      refuseWatch(command);
      const client = connect(command.optsWithGlobals<ConnectionOptions>());
      const { id } = await findVm(client, name);
      const write = (text: string) => process.stdout.write(text);
      await (options.follow ? followConsole(client, id, write) : printConsole(client, id, write));
    });
  vms
    .command('remove <vm>')
    .alias('delete')
    .description('forgets a VM that is down')
    .action((name: string, _options, command: Command) =>
      change(command, async (client) => {
        const vm = await findVm(client, name);
        await client.vms.remove(vm.id);
        return { value: { removed: vm.id }, text: `VM ${vm.name} removed` };
      }),
    );
}
