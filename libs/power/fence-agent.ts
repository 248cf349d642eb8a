/**
 * The agents that Pacemaker, oVirt and others fence with (package fence-agents), spoken to as fenced does: options as
 * `name=value` lines on stdin, the answer is the exit code. See FenceAgentAPI.md of ClusterLabs/fence-agents.
 */
import { basename } from 'node:path';
import { type PowerControl, PowerError, type PowerState } from './power-control.js';
import { type Output, run } from './program.js';

export interface FenceAgentSettings {
  /** Absolute path of the agent, or of any program that speaks the same protocol. */
  readonly path: string;
  /** Options of the agent; the password is told apart so that it reaches no message. */
  readonly options: Readonly<Record<string, string>>;
  readonly password: string | null;
  readonly timeoutMs?: number;
  /** Ends whatever the agent is doing. */
  readonly signal?: AbortSignal;
}

type Action = 'status' | 'on' | 'off';

/** Agents wait until the power has changed, 20 s by default, and try to log in for 5 s. */
const TIMEOUT_MS = 90_000;

/** FenceAgentAPI: what `status` ends with. */
const EXIT_ON = 0;
const EXIT_OFF = 2;

/** Such a host is off for so long before it is switched on: power supplies have to notice. */
const CYCLE_PAUSE_MS = 1000;

export function fenceAgent(settings: FenceAgentSettings): PowerControl {
  const call = (action: Action) => callAgent(settings, action);
  const succeed = async (action: 'on' | 'off') => {
    const output = await call(action);
    if (output.exitCode !== 0) throw failure(settings, action, output);
  };
  return {
    status: async () => stateOf(settings, await call('status')),
    on: () => succeed('on'),
    off: () => succeed('off'),
    cycle: async () => {
      await succeed('off');
      await new Promise((done) => setTimeout(done, CYCLE_PAUSE_MS));
      await succeed('on');
    },
  };
}

function callAgent(
  { path, options, password, timeoutMs = TIMEOUT_MS, signal }: FenceAgentSettings,
  action: Action,
): Promise<Output> {
  const given = { ...options, ...(password === null ? {} : { password }), action };
  return run({ path, stdin: encodeOptions(given), timeoutMs, signal });
}

function stateOf(settings: FenceAgentSettings, output: Output): PowerState {
  if (output.exitCode === EXIT_ON) return 'on';
  if (output.exitCode === EXIT_OFF) return 'off';
  throw failure(settings, 'status', output);
}

/** A line for each option. @throws PowerError for what would become another option: line breaks, `=` in names. */
export function encodeOptions(options: Readonly<Record<string, string>>): string {
  const lines = Object.entries(options).map(([name, value]) => {
    if (!/^[A-Za-z][\w-]*$/.test(name)) throw new PowerError(`${name} is no name of an option`);
    // oxlint-disable-next-line no-control-regex
    if (/[\x00-\x1f\x7f]/.test(value)) throw new PowerError(`the value of option ${name} has control characters`);
    return `${name}=${value}\n`;
  });
  return lines.join('');
}

/** Options that name programs or files on the controller's machine: whoever may set them could run anything there. */
export const isDangerousOption = (name: string): boolean =>
  /(^|[_-])(path|script|file|sudo|command|options)$|^(action|sudo|use_sudo|verbose|quiet|debug|nodename|help|version)/i.test(
    name,
  );

/** What the agent said last, without the password. */
function failure({ path, password }: FenceAgentSettings, action: Action, { exitCode, stdout, stderr }: Output) {
  const lines = `${stdout}\n${stderr}`.split('\n').map((line) => line.trim());
  const said = lines.filter((line) => line !== '').at(-1) ?? 'it said nothing';
  const safe = (password ? said.replaceAll(password, '***') : said).slice(0, 300);
  return new PowerError(`${basename(path)} could not do "${action}" (exit status ${exitCode}): ${safe}`);
}
