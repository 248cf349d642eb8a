import type { Command } from 'commander';
import { StorageDomainKind, type StorageDomainView } from '#contracts';
import { oneOf } from '../arguments.js';
import { all, findCluster, findStorageDomain } from '../lookup.js';
import { change, show } from '../output.js';
import { record, table } from '../table.js';

const HEADING = ['NAME', 'KIND', 'PATH', 'DISKS', 'MIB'];
const rowOf = ({ name, kind, path, diskCount, diskMiB }: StorageDomainView) => [name, kind, path, diskCount, diskMiB];

const oneDomain = (domain: StorageDomainView) => ({
  value: domain,
  text: record({
    name: domain.name,
    id: domain.id,
    kind: domain.kind,
    path: domain.path,
    disks: `${domain.diskCount}, ${domain.diskMiB} MiB`,
  }),
});

export function storageCommands(program: Command): void {
  const storage = program.command('storage').description('storage domains: where disks of VMs are');
  storage
    .command('list', { isDefault: true })
    .description('all storage domains')
    .action((_options: object, command: Command) =>
      show(command, async (client) => {
        const value = await all((cursor) => client.storageDomains.list({ cursor }));
        return { value, text: table(HEADING, value.map(rowOf)) };
      }),
    );
  storage
    .command('create <name> <path>')
    .description("makes a folder on the hosts known; a local one may be relative to the agent's folder")
    .addOption(
      oneOf(
        '--kind <kind>',
        'local: of each host; shared: all hosts mount the same',
        StorageDomainKind,
      ).makeOptionMandatory(),
    )
    .option('--cluster <cluster>', 'whose VMs may use it')
    .action((name: string, path: string, options: { kind: StorageDomainKind; cluster?: string }, command: Command) =>
      change(command, async (client) => {
        const clusterId = (await findCluster(client, options.cluster)).id;
        return oneDomain(await client.storageDomains.create({ name, path, clusterId, kind: options.kind }));
      }),
    );
  storage
    .command('remove <name>')
    .alias('delete')
    .description('forgets a storage domain without disks; its folder stays')
    .action((name: string, _options: object, command: Command) =>
      change(command, async (client) => {
        const domain = await findStorageDomain(client, name);
        await client.storageDomains.remove(domain.id);
        return { value: { removed: domain.id }, text: `storage domain ${domain.name} removed` };
      }),
    );
}
