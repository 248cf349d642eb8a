/** Migration parameters under QEMU's names (qapi/migration.json, MigrationParameters), and what the engine makes of them. */
import { availableParallelism } from 'node:os';
import {
  COMPRESSION_METHODS,
  DEFAULT_PARAMETERS,
  MAX_PAGE_LANES,
  type CompressionMethod,
  type PrecopyParameters,
} from '#migration';
import { boolean, integer, oneOf, optional, QmpError, string, type Check } from '#qmp';
import { layout } from '#vmm';
import type { Capabilities } from './migration-capabilities.js';

const MAX_DOWNTIME_MS = 2_000_000;
const MIB = 2 ** 20;
const MAX_CACHE_BYTES = 2 ** 31;
const MAX_ANSWER_S = 3600;
const MAX_RECOVER_S = 30 * 86_400;
const MAX_UNPLUG_S = 3600;
const percentage = (from: number, to: number) => integer(from, to);

/** Each parameter's check, and QEMU's default where QEMU has it; no limit to the bandwidth. */
const PARAMETERS = {
  'max-bandwidth': parameter(integer(0), DEFAULT_PARAMETERS.maxBandwidth),
  'downtime-limit': parameter(integer(0, MAX_DOWNTIME_MS), DEFAULT_PARAMETERS.downtimeLimitMs),
  'max-postcopy-bandwidth': parameter(integer(0), DEFAULT_PARAMETERS.maxPostcopyBandwidth),
  'x-drover-answer-timeout': parameter(integer(1, MAX_ANSWER_S), DEFAULT_PARAMETERS.answerMs / 1000),
  'x-drover-recover-timeout': parameter(integer(1, MAX_RECOVER_S), DEFAULT_PARAMETERS.recoverMs / 1000),
  /** Seconds in which the guest must let devices of the host go. */
  'x-drover-unplug-timeout': parameter(integer(1, MAX_UNPLUG_S), 10),
  'throttle-trigger-threshold': parameter(percentage(1, 100), 50),
  'cpu-throttle-initial': parameter(percentage(1, 99), 20),
  'cpu-throttle-increment': parameter(percentage(1, 99), 10),
  'cpu-throttle-tailslow': parameter(boolean, false),
  'max-cpu-throttle': parameter(percentage(1, 99), 99),
  'multifd-channels': parameter(integer(1, MAX_PAGE_LANES), 2),
  'multifd-compression': parameter(oneOf('none', ...COMPRESSION_METHODS), 'none' as 'none' | CompressionMethod),
  'multifd-zlib-level': parameter(integer(0, 9), 1),
  'multifd-zstd-level': parameter(integer(0, 20), 1),
  'xbzrle-cache-size': parameter(cacheSize, 64 * MIB),
  'compress-level': parameter(integer(0, 9), 1),
  'compress-threads': parameter(integer(1, 255), Math.min(8, availableParallelism())),
  'x-drover-compress-method': parameter(oneOf(...COMPRESSION_METHODS), 'zstd' as CompressionMethod),
  /** Id of an object tls-creds-x509; empty: no TLS. */
  'tls-creds': parameter(string, ''),
  /** Whom the destination's certificate must name; empty: the host to which `migrate` connects. */
  'tls-hostname': parameter(string, ''),
  'x-drover-throttle-writers': parameter(boolean, false),
  'x-drover-cpu-throttle': parameter(percentage(0, 99), 0),
  'x-drover-park-harts': parameter(integer(0), 0),
};

export type ParameterValues = {
  readonly [Name in keyof typeof PARAMETERS]: (typeof PARAMETERS)[Name]['initial'];
};

/** What is asked of the guest at once, and only while a migration runs; its end sets it back. */
const FOR_ONE_MIGRATION = ['x-drover-cpu-throttle', 'x-drover-park-harts'] as const;

function cacheSize(value: unknown, name: string): number {
  const bytes = integer(layout.PAGE_SIZE, MAX_CACHE_BYTES)(value, name);
  if (!Number.isInteger(Math.log2(bytes))) throw new QmpError(`argument '${name}' must be a power of two`);
  return bytes;
}

function parameter<T>(check: Check<T>, initial: T) {
  return { check, initial };
}

function mapParameters<T>(map: (parameter: { check: Check<unknown>; initial: unknown }, name: string) => T) {
  return Object.fromEntries(Object.entries(PARAMETERS).map(([name, value]) => [name, map(value, name)]));
}

export const INITIAL_PARAMETERS = mapParameters(({ initial }) => initial) as ParameterValues;

/** Of the arguments of migrate-set-parameters. */
export const PARAMETER_CHECKS = mapParameters(({ check }) => optional(check)) as {
  readonly [Name in keyof ParameterValues]: Check<ParameterValues[Name] | undefined>;
};

/** `values` without what was meant for one migration. */
export const withoutOrders = (values: ParameterValues): ParameterValues => ({
  ...values,
  ...Object.fromEntries(FOR_ONE_MIGRATION.map((name) => [name, INITIAL_PARAMETERS[name]])),
});

/** Throws a QmpError if one that a migration has begun with is to be another. */
export function checkUnchanged(before: ParameterValues, after: ParameterValues): void {
  if (before['multifd-channels'] !== after['multifd-channels']) {
    throw new QmpError("'multifd-channels' cannot be changed while a migration is under way");
  }
}

/** Throws a QmpError if the values cannot all be wanted together, of a VM with so many harts. */
export function checkParameters(values: ParameterValues, isMigrating: boolean, harts: number): void {
  const { 'cpu-throttle-initial': initial, 'max-cpu-throttle': max, 'x-drover-park-harts': parked } = values;
  if (max < initial) throw new QmpError(`'max-cpu-throttle' must be from 'cpu-throttle-initial' (${initial}) to 99`);
  if (parked >= harts) throw new QmpError(`'x-drover-park-harts' must leave one of the VM's ${harts} harts running`);
  const order = FOR_ONE_MIGRATION.find((name) => values[name] > 0);
  if (order && !isMigrating) throw new QmpError(`'${order}' is for a migration under way, and there is none`);
}

/** What the engine is to do by these parameters and capabilities. */
export const engineParameters = (values: ParameterValues, capabilities: Capabilities): PrecopyParameters => ({
  maxBandwidth: values['max-bandwidth'],
  downtimeLimitMs: values['downtime-limit'],
  maxPostcopyBandwidth: values['max-postcopy-bandwidth'],
  answerMs: values['x-drover-answer-timeout'] * 1000,
  recoverMs: values['x-drover-recover-timeout'] * 1000,
  throttle: {
    autoConverge: !capabilities['auto-converge']
      ? null
      : {
          initial: values['cpu-throttle-initial'],
          increment: values['cpu-throttle-increment'],
          max: values['max-cpu-throttle'],
          tailslow: values['cpu-throttle-tailslow'],
          triggerThreshold: values['throttle-trigger-threshold'],
        },
    percentage: values['x-drover-cpu-throttle'],
    writersOnly: values['x-drover-throttle-writers'],
    parkedHarts: values['x-drover-park-harts'],
  },
  compression: compressionOf(values, capabilities),
  xbzrleCacheBytes: capabilities.xbzrle ? values['xbzrle-cache-size'] : null,
});

/** What multifd asks for comes first, as its connections do. */
function compressionOf(values: ParameterValues, capabilities: Capabilities): PrecopyParameters['compression'] {
  const threads = values['compress-threads'];
  const method = capabilities.multifd ? values['multifd-compression'] : 'none';
  if (method !== 'none') {
    return { method, threads, level: values[method === 'zlib' ? 'multifd-zlib-level' : 'multifd-zstd-level'] };
  }
  if (!capabilities.compress) return null;
  return { method: values['x-drover-compress-method'], threads, level: values['compress-level'] };
}
