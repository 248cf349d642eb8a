import { Command } from 'commander';
import { seconds } from './arguments.js';
import { affinityCommands } from './commands/affinity.js';
import { clusterCommands } from './commands/clusters.js';
import { energyCommand } from './commands/energy.js';
import { eventCommands } from './commands/events.js';
import { ganetiCommand } from './commands/ganeti.js';
import { guestCommands } from './commands/guest.js';
import { hostCommands } from './commands/hosts.js';
import { maintenanceCommands } from './commands/maintenance.js';
import { migrationCommands } from './commands/migrations.js';
import { planCommands } from './commands/plans.js';
import { policyCommands } from './commands/policies.js';
import { simulateCommand } from './commands/simulate.js';
import { storageCommands } from './commands/storage.js';
import { vmCommands } from './commands/vms.js';
import { whatIfCommand } from './commands/what-if.js';
import { EXIT_CODES } from './failure.js';

/** All commands; errors are thrown, not printed, so that main decides about text and exit code. */
export function buildProgram(): Command {
  const program = new Command('drover')
    .description("Looks after a datacenter's hosts, virtual machines and migrations.")
    .version('0.1.0')
    .option('--url <url>', 'address of the controller (or DROVER_URL; http://127.0.0.1:7410 by default)')
    .option('--token-file <file>', 'file with the token (or DROVER_TOKEN; .drover/admin-token by default)')
    .option('--json', 'JSON for programs instead of tables')
    .option(
      '--watch [seconds]',
      'shows a list or an object again and again, every 2 seconds unless told otherwise',
      seconds,
    )
    .addHelpText('after', `\n${EXIT_CODES}`)
    .showHelpAfterError('(--help shows the usage)');
  const groups = [
    clusterCommands,
    hostCommands,
    storageCommands,
    vmCommands,
    migrationCommands,
    policyCommands,
    planCommands,
    affinityCommands,
    energyCommand,
    maintenanceCommands,
    eventCommands,
  ];
  for (const add of [...groups, guestCommands, whatIfCommand, simulateCommand, ganetiCommand]) add(program);
  const quiet = (command: Command): void => {
    command.exitOverride();
    command.commands.forEach(quiet);
  };
  quiet(program);
  return program;
}
