/** What a host's power can be told, by whatever means. */

/** `unknown`: the means cannot tell. */
export type PowerState = 'on' | 'off' | 'unknown';

/** Each ends when the host is in the state that was asked for, and may be asked again without harm. */
export interface PowerControl {
  status(): Promise<PowerState>;
  on(): Promise<void>;
  off(): Promise<void>;
  /** Off, then on. */
  cycle(): Promise<void>;
}

/** The power management refused or did not answer; the message says what to look at, and holds no password. */
export class PowerError extends Error {
  override readonly name = 'PowerError';
}
