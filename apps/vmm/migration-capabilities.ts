/** Migration capabilities under QEMU's names (qapi/migration.json, MigrationCapability). */
import { QmpError } from '#qmp';

/** Part of the stream: always on. */
const ALWAYS = ['events', 'return-path'] as const;
/** May be switched at any time, also while a migration runs; off at first. */
const IN_FLIGHT = ['auto-converge', 'xbzrle'] as const;
/** Not here. */
const NEVER = [
  ...['rdma-pin-all', 'zero-blocks', 'compress', 'postcopy-ram', 'x-colo', 'release-ram', 'block'],
  ...['pause-before-switchover', 'multifd', 'dirty-bitmaps', 'postcopy-blocktime', 'late-block-activate'],
  ...['x-ignore-shared', 'validate-uuid', 'background-snapshot', 'zero-copy-send', 'postcopy-preempt'],
  ...['switchover-ack'],
];

export type Capability = (typeof IN_FLIGHT)[number];
export type Capabilities = Readonly<Record<Capability, boolean>>;

export const INITIAL_CAPABILITIES = Object.fromEntries(IN_FLIGHT.map((name) => [name, false])) as Capabilities;

/** The capabilities after some were switched. Throws a QmpError, and changes nothing, if one cannot be. */
export function switchCapabilities(
  now: Capabilities,
  wanted: readonly { readonly capability: string; readonly state: boolean }[],
): Capabilities {
  const changes = wanted.map(({ capability, state }) => {
    if (isIn(NEVER, capability) && state) {
      throw new QmpError(`migration capability '${capability}' is not implemented here: leave it off`);
    }
    if (isIn(ALWAYS, capability) && !state) {
      throw new QmpError(`migration capability '${capability}' is part of the stream: leave it on`);
    }
    if (!isIn([...ALWAYS, ...IN_FLIGHT, ...NEVER], capability)) {
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
  ...IN_FLIGHT.map((capability) => ({ capability, state: now[capability] })),
  ...NEVER.map((capability) => ({ capability, state: false })),
];

const isIn = (names: readonly string[], name: string): boolean => names.includes(name);
