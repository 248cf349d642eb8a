/** Migration parameters and capabilities as QMP sees them. */
import type { PrecopyParameters } from '#migration';
import { boolean, list, object, string, type QmpServer } from '#qmp';
import { INITIAL_CAPABILITIES, listCapabilities, switchCapabilities } from './migration-capabilities.js';
import {
  checkParameters,
  checkUnchanged,
  engineParameters,
  INITIAL_PARAMETERS,
  PARAMETER_CHECKS,
  withoutOrders,
} from './migration-parameters.js';

export interface SettingsPorts {
  readonly harts: number;
  isMigrating(): boolean;
  /** Hears new parameters, for the migration that may be running. */
  onChange(parameters: PrecopyParameters): void;
}

export class MigrationSettings {
  private values = INITIAL_PARAMETERS;
  private capabilities = INITIAL_CAPABILITIES;

  constructor(
    qmp: QmpServer,
    private readonly ports: SettingsPorts,
  ) {
    qmp.register('migrate-set-parameters', PARAMETER_CHECKS, (given) => {
      const values = Object.assign({}, this.valuesNow(), given);
      checkParameters(values, ports.isMigrating(), ports.harts);
      if (ports.isMigrating()) checkUnchanged(this.values, values);
      this.values = values;
      ports.onChange(this.parameters);
    });
    qmp.register('query-migrate-parameters', {}, () => this.valuesNow());
    const capabilities = list(object({ capability: string, state: boolean }));
    qmp.register('migrate-set-capabilities', { capabilities }, ({ capabilities: wanted }) => {
      this.capabilities = switchCapabilities(this.capabilities, wanted, ports.isMigrating());
      ports.onChange(this.parameters);
    });
    qmp.register('query-migrate-capabilities', {}, () => listCapabilities(this.capabilities));
  }

  get postcopy(): boolean {
    return this.capabilities['postcopy-ram'];
  }

  /** How long a guest may take to let devices of the host go. */
  get unplugMs(): number {
    return this.values['x-drover-unplug-timeout'] * 1000;
  }

  /** Connections for pages alone; 0 without multifd. */
  get channels(): number {
    return this.capabilities.multifd ? this.values['multifd-channels'] : 0;
  }

  get parameters(): PrecopyParameters {
    return engineParameters(this.valuesNow(), this.capabilities);
  }

  /** With whose credentials the next migration is encrypted, and whom it must meet; null: it is not. */
  get tls(): { readonly credentials: string; readonly hostname: string } | null {
    const { 'tls-creds': credentials, 'tls-hostname': hostname } = this.values;
    return credentials === '' ? null : { credentials, hostname };
  }

  /** What was asked of a migration has ended with it. */
  private valuesNow() {
    if (!this.ports.isMigrating()) this.values = withoutOrders(this.values);
    return this.values;
  }
}
