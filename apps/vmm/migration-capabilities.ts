/** Migration capabilities under QEMU's names (qapi/migration.json, MigrationCapability). */
import { QmpError } from '#qmp';

/** Part of the stream: always on. */
const ALWAYS = ['events', 'return-path', 'postcopy-preempt', 'postcopy-blocktime'] as const;
/** What is agreed upon when a migration begins: may be switched between migrations; off at first. */
const BEFORE = ['postcopy-ram', 'multifd'] as const;
/** May be switched at any time, also while a migration runs; off at first. */
const IN_FLIGHT = ['auto-converge', 'xbzrle', 'compress'] as const;
/** Not here. */
const NEVER = [
  ...['rdma-pin-all', 'zero-blocks', 'x-colo', 'release-ram', 'block'],
  ...['pause-before-switchover', 'dirty-bitmaps', 'late-block-activate'],
  ...['x-ignore-shared', 'validate-uuid', 'background-snapshot', 'zero-copy-send'],
  ...['switchover-ack'],
];

const CHOICES = [...BEFORE, ...IN_FLIGHT];
export type Capability = (typeof CHOICES)[number];
export type Capabilities = Readonly<Record<Capability, boolean>>;

export const INITIAL_CAPABILITIES = Object.fromEntries(CHOICES.map((name) => [name, false])) as Capabilities;

/** The capabilities after some were switched. Throws a QmpError, and changes nothing, if one cannot be (now). */
export function switchCapabilities(
  now: Capabilities,
  wanted: readonly { readonly capability: string; readonly state: boolean }[],
  isMigrating: boolean,
): Capabilities {
  const changes = wanted.map(({ capability, state }) => {
    if (isIn(NEVER, capability) && state) {
      throw new QmpError(`migration capability '${capability}' is not implemented here: leave it off`);
    }
    if (isIn(ALWAYS, capability) && !state) {
      throw new QmpError(`migration capability '${capability}' is part of the stream: leave it on`);
    }
    if (isIn(BEFORE, capability) && isMigrating && state !== now[capability as Capability]) {
      throw new QmpError(`migration capability '${capability}' cannot be switched while a migration is under way`);
    }
    if (!isIn([...ALWAYS, ...CHOICES, ...NEVER], capability)) {
      throw new QmpError(`there is no migration capability '${capability}'`);
    }
    return [capability, state] as const;
  });
  const switched = changes.filter(([capability]) => Object.hasOwn(now, capability));
  return { ...now, ...Object.fromEntries(switched) };
}

/** Answer of query-migrate-capabilities. */
export const listCapabilities = (now: Capabilities) => [
  ...ALWAYS.map((capability) => ({ capability, state: true })),
  ...CHOICES.map((capability) => ({ capability, state: now[capability] })),
  ...NEVER.map((capability) => ({ capability, state: false })),
];

const isIn = (names: readonly string[], name: string): boolean => names.includes(name);
