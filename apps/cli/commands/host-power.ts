import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type HostPowerView, type PowerManagement, type PowerOperationKind, SetPowerManagement } from '#contracts';
import { z } from 'zod';
import { wholeNumber } from '../arguments.js';
import { UsageError } from '../failure.js';
import { findHost } from '../lookup.js';
import { change, show } from '../output.js';
import { ago, record } from '../table.js';

function managementText(management: PowerManagement | null): string | null {
  switch (management?.type) {
    case undefined:
      return null;
    case 'fence_agent':
      return `${management.agent} at ${management.address}${management.username ? ` as ${management.username}` : ''}`;
    case 'wake_on_lan':
      return `wake-on-LAN to ${management.macAddress}${management.program ? `, off by ${management.program}` : ''}`;
    case 'exec':
      return `program ${management.program}`;
  }
}

const onePower = (value: HostPowerView) => ({
  value,
  text: record({
    management: managementText(value.management),
    'under way':
      value.operation && `${value.operation.kind}${value.operation.error ? `: ${value.operation.error}` : ''}`,
    'wake-up': value.wakeUp,
    boot: value.bootSeconds === null ? null : `${value.bootSeconds.toFixed(0)} s`,
    'switched by policy': value.isParked ? 'yes' : 'no',
    since: ago(value.powerSince, Date.now()),
    watts: value.wattsAt?.join(' '),
    'watts learnt': value.learntWattsAt?.map((watts) => watts.toFixed(0)).join(' '),
    'watts off': value.offWatts,
    'watts measured': value.measuredWatts,
    'in service since': value.inServiceSince,
  }),
});

interface SetOptions {
  readonly address?: string;
  readonly port?: number;
  readonly user?: string;
  readonly mac?: string;
  readonly program?: string;
  readonly passwordFile?: string;
  readonly option: string[];
}

/** `fence_…`, `wake-on-lan` or `exec`, with what belongs to it. */
function managementOf(type: string, options: SetOptions): z.input<typeof SetPowerManagement> {
  const { address, port, user, mac, program } = options;
  const password = options.passwordFile === undefined ? undefined : passwordFrom(options.passwordFile);
  const more = {
    options: Object.fromEntries(options.option.map(pairOf)),
    ...(password === undefined ? {} : { password }),
  };
  const common = { ...(address ? { address } : {}), ...(port ? { port } : {}), ...more };
  const wanted = type.startsWith('fence_')
    ? { type: 'fence_agent', agent: type, ...common, ...(user ? { username: user } : {}) }
    : type === 'wake-on-lan'
      ? { type: 'wake_on_lan', macAddress: mac, ...common, ...(program ? { program } : {}) }
      : type === 'exec'
        ? { type: 'exec', program, ...more }
        : null;
  if (!wanted) throw new UsageError(`${type}: use an agent such as fence_ipmilan, or wake-on-lan, or exec`);
  const parsed = SetPowerManagement.safeParse(wanted);
  if (!parsed.success) throw new UsageError(z.prettifyError(parsed.error));
  return parsed.data;
}

/** A password is no argument: those can be seen by everybody on the machine. */
const passwordFrom = (file: string): string => readFileSync(file === '-' ? 0 : file, 'utf8').replace(/\r?\n$/, '');

function pairOf(word: string): [string, string] {
  const at = word.indexOf('=');
  if (at < 1) throw new UsageError(`${word}: write NAME=VALUE`);
  return [word.slice(0, at), word.slice(at + 1)];
}

const ORDERS: readonly (readonly [PowerOperationKind, string])[] = [
  ['on', 'switches on a host that is off, or does not answer; it is in maintenance when it answers'],
  ['off', 'switches off a host in maintenance'],
  ['cycle', 'off and on again'],
  ['test', 'off and on, to see that the host comes back: policies switch no other host off'],
];

export function hostPowerCommands(hosts: Command): void {
  const power = hosts.command('power').description('switching hosts on and off');
  power
    .command('show <host>', { isDefault: true })
    .description('how it is switched, what is under way, how long it boots, what it draws')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => onePower(await client.power.get((await findHost(client, name)).id))),
    );
  power
    .command('status <host>')
    .description('asks its power management now')
    .action((name: string, _options, command: Command) =>
      show(command, async (client) => {
        const value = await client.power.status((await findHost(client, name)).id);
        return { value, text: value.status };
      }),
    );
  power
    .command('set <host> <type>')
    .description('how it is switched: fence_ipmilan, fence_redfish or another fence agent; wake-on-lan; exec')
    .option('--address <address>', 'of its BMC; for wake-on-lan where to broadcast')
    .option('--port <port>', 'if it is not the usual one', wholeNumber)
    .option('--user <user>', 'of the BMC')
    .option('--password-file <file>', 'a file with the password; - reads it from standard input')
    .option('--mac <address>', 'of the card that listens, for wake-on-lan')
    .option('--program <name>', 'in the folder DROVER_POWER_DIR of the controller')
    .option('--option <name=value...>', "more of the agent's own options, such as lanplus=1", [])
    .action((name: string, type: string, options: SetOptions, command: Command) =>
      change(command, async (client) => {
        const wanted = managementOf(type, options);
        return onePower(await client.power.setManagement((await findHost(client, name)).id, wanted));
      }),
    );
  power
    .command('unset <host>')
    .description('Drover switches it no longer')
    .action((name: string, _options, command: Command) =>
      change(command, async (client) =>
        onePower(await client.power.removeManagement((await findHost(client, name)).id)),
      ),
    );
  power
    .command('hardware <host>')
    .description('its power curve, and how old it is')
    .option('--watts <watts...>', 'from idle to fully busy, at even distances; eleven as SPECpower has them')
    .option('--off-watts <watts>', 'what it draws while it is off')
    .option('--in-service-since <date>', 'such as 2024-05-31')
    .action(
      (name: string, options: { watts?: string[]; offWatts?: string; inServiceSince?: string }, command: Command) =>
        change(command, async (client) => {
          const { watts, offWatts, inServiceSince } = options;
          const body = {
            ...(watts ? { wattsAt: watts.map(wattsOf) } : {}),
            ...(offWatts === undefined ? {} : { offWatts: wattsOf(offWatts) }),
            ...(inServiceSince === undefined ? {} : { inServiceSince }),
          };
          if (Object.keys(body).length === 0)
            throw new UsageError('say what changes: --watts, --off-watts or --in-service-since');
          return onePower(await client.power.update((await findHost(client, name)).id, body));
        }),
    );
  for (const [kind, description] of ORDERS)
    power
      .command(`${kind} <host>`)
      .description(description)
      .option('--reason <text>', 'why', '')
      .option('--force', 'also of a host that does not answer: VMs that still run there are lost')
      .action((name: string, options: { reason: string; force?: true }, command: Command) =>
        change(command, async (client) => {
          const { id } = await findHost(client, name);
          return onePower(
            await client.power.order(id, kind, { reason: options.reason, force: options.force === true }),
          );
        }),
      );
}

function wattsOf(text: string): number {
  const watts = Number(text);
  if (text === '' || !Number.isFinite(watts)) throw new UsageError(`${text}: give watts, such as 86.5`);
  return watts;
}
