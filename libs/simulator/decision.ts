/** What whoever decides may order of a simulated cluster. */
export interface Order {
  /** An order that has been heard already changes nothing; absent: each is another one. */
  readonly migrationId?: string;
  readonly vmId: string;
  readonly destinationHostId: string;
}

export interface Decision {
  readonly moves: readonly Order[];
  readonly hostActions: readonly { readonly hostId: string; readonly action: HostActionName }[];
  readonly vmActions?: readonly { readonly vmId: string; readonly action: 'stop' | 'start'; readonly hostId: string }[];
  /** Ended migrations that need not be told again. */
  readonly heard?: readonly string[];
}

/** `power_cycle` is off and on again; what comes after `deactivate` is `enter_maintenance`, when the host is empty. */
export type HostActionName =
  'activate' | 'deactivate' | 'enter_maintenance' | 'park' | 'power_on' | 'power_off' | 'power_cycle';
