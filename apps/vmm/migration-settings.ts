/** Migration parameters and capabilities as QMP sees them, under QEMU's names. */
import { boolean, integer, list, object, optional, QmpError, string, type QmpServer } from '#qmp';
import type { PrecopyParameters } from '#migration';

const MAX_DOWNTIME_MS = 2_000_000;

/** QEMU's capabilities (qapi/migration.json, MigrationCapability), each with whether this engine has it: always or never. */
const CAPABILITIES: Readonly<Record<string, boolean>> = {
  xbzrle: false,
  'rdma-pin-all': false,
  'auto-converge': false,
  'zero-blocks': false,
  events: true,
  'postcopy-ram': false,
  'x-colo': false,
  'release-ram': false,
  'return-path': true,
  'pause-before-switchover': false,
  multifd: false,
  'dirty-bitmaps': false,
  'postcopy-blocktime': false,
  'late-block-activate': false,
  'x-ignore-shared': false,
  'validate-uuid': false,
  'background-snapshot': false,
  'zero-copy-send': false,
  'postcopy-preempt': false,
  'switchover-ack': false,
};

export class MigrationSettings {
  /** No bandwidth limit; QEMU's default downtime limit. */
  parameters: PrecopyParameters = { maxBandwidth: 0, downtimeLimitMs: 300 };

  /** `onChange` hears new parameters, for the migration that may be running. */
  constructor(qmp: QmpServer, onChange: (parameters: PrecopyParameters) => void) {
    const checks = {
      'max-bandwidth': optional(integer(0)),
      'downtime-limit': optional(integer(0, MAX_DOWNTIME_MS)),
    };
    qmp.register('migrate-set-parameters', checks, (given) => {
      this.parameters = {
        maxBandwidth: given['max-bandwidth'] ?? this.parameters.maxBandwidth,
        downtimeLimitMs: given['downtime-limit'] ?? this.parameters.downtimeLimitMs,
      };
      onChange(this.parameters);
    });
    qmp.register('query-migrate-parameters', {}, () => ({
      'max-bandwidth': this.parameters.maxBandwidth,
      'downtime-limit': this.parameters.downtimeLimitMs,
    }));
    const capabilities = list(object({ capability: string, state: boolean }));
    qmp.register('migrate-set-capabilities', { capabilities }, ({ capabilities: wanted }) => {
      for (const { capability, state } of wanted) checkCapability(capability, state);
    });
    qmp.register('query-migrate-capabilities', {}, () =>
      Object.entries(CAPABILITIES).map(([capability, state]) => ({ capability, state })),
    );
  }
}

function checkCapability(capability: string, wanted: boolean): void {
  if (!Object.hasOwn(CAPABILITIES, capability)) throw new QmpError(`there is no migration capability '${capability}'`);
  const has = CAPABILITIES[capability]!;
  if (wanted && !has) throw new QmpError(`migration capability '${capability}' is not implemented here: leave it off`);
  if (!wanted && has) throw new QmpError(`migration capability '${capability}' is part of the stream: leave it on`);
}
