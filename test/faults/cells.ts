/** What may go wrong in a migration, when, and while which means is used: all combinations, and why some cannot be. */

export const MEANS = ['plain', 'xbzrle', 'compression', 'multifd', 'postcopy'] as const;
export type Means = (typeof MEANS)[number];

/** `commit`: the point of no return itself, after everything has been loaded. */
const MOMENTS = ['setup', 'first_pass', 'later_pass', 'switchover', 'commit', 'postcopy', 'recovery'] as const;
export type Moment = (typeof MOMENTS)[number];

/** `urgent`: the second connection of post-copy; `nbd`: the copy of a disk. */
const CHANNELS = ['main', 'multifd', 'urgent', 'nbd'] as const;
export type Channel = (typeof CHANNELS)[number];

/**
 * cut: both ends see the connection end. stall: nothing passes any more, and nobody sees why. half_open: the source sees it
 * end, the destination does not. corrupt: one bit changes on its way.
 */
const HARMS = ['cut', 'stall', 'half_open', 'corrupt'] as const;
export type Harm = (typeof HARMS)[number];

const VMMS = ['source', 'destination'] as const;
const OTHERS = ['source_agent', 'destination_agent', 'controller'] as const;
export type Vmm = (typeof VMMS)[number];
export type Other = (typeof OTHERS)[number];

/** Of the two processes that hold the VM, and of what is between them. */
export type EngineFault =
  | { readonly kind: 'kill'; readonly victim: Vmm }
  | { readonly kind: 'harm'; readonly harm: Harm; readonly channel: Channel };
/** Of those that only look after them. */
export interface OverseerFault {
  readonly kind: 'kill';
  readonly victim: Other;
}

export interface Cell<Fault = EngineFault | OverseerFault> {
  readonly fault: Fault;
  readonly moment: Moment;
  readonly means: Means;
}

const ENGINE_FAULTS: readonly EngineFault[] = [
  ...VMMS.map((victim) => ({ kind: 'kill', victim }) as const),
  ...CHANNELS.flatMap((channel) => HARMS.map((harm) => ({ kind: 'harm', harm, channel }) as const)),
];
const OVERSEER_FAULTS: readonly OverseerFault[] = OTHERS.map((victim) => ({ kind: 'kill', victim }));

function cellsOf<Fault>(faults: readonly Fault[]): Cell<Fault>[] {
  return faults.flatMap((fault) => MOMENTS.flatMap((moment) => MEANS.map((means) => ({ fault, moment, means }))));
}

/** Why there is no such cell; null: there is. */
export function whyNot({ fault, moment, means }: Cell): string | null {
  const isPostcopy = means === 'postcopy';
  if (!isPostcopy && (moment === 'postcopy' || moment === 'recovery')) return 'only post-copy comes that far';
  if (fault.kind !== 'harm') return null;
  const { channel } = fault;
  if (channel === 'multifd' && means !== 'multifd') return 'only multifd has such connections';
  if (channel === 'multifd' && moment === 'commit') return 'its connections have ended before that';
  if (channel === 'urgent' && !isPostcopy) return 'only post-copy has that connection';
  if (channel === 'nbd' && isPostcopy) return 'a VM whose disks are copied is not moved by post-copy';
  if (channel === 'nbd' && moment === 'commit') return 'the copy has ended before that';
  return null;
}

const ENGINE = cellsOf(ENGINE_FAULTS);
const OVERSEERS = cellsOf(OVERSEER_FAULTS);

export const ENGINE_CELLS = ENGINE.filter((cell) => whyNot(cell) === null);
export const OVERSEER_CELLS = OVERSEERS.filter((cell) => whyNot(cell) === null);

/** How many combinations there are not, by reason. */
export function reasonsAgainst(): ReadonlyMap<string, number> {
  const reasons = new Map<string, number>();
  for (const cell of [...ENGINE, ...OVERSEERS]) {
    const reason = whyNot(cell);
    if (reason !== null) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  }
  return reasons;
}

export function nameOf({ fault, moment, means }: Cell): string {
  const what = fault.kind === 'kill' ? `${fault.victim} killed` : `${fault.channel} ${fault.harm}`;
  return `${what}, ${moment}, ${means}`;
}

/** Those that `npm test` runs, too: one of each kind. */
export function isSample(cell: Cell): boolean {
  return SAMPLE.includes(nameOf(cell));
}

const SAMPLE = ['main stall, commit, plain', 'multifd corrupt, later_pass, multifd', 'urgent cut, recovery, postcopy'];
