/** What passes between the agent and the thread of its switch. */
import type { Fabric, PortSpec } from './fabric.js';
import type { Peer } from './tunnel.js';

/** What the agent asks of the switch, with the answers. */
export interface SwitchCalls {
  listen: { argument: { readonly host: string; readonly port: number }; answer: number };
  plug: { argument: PortSpec; answer: void };
  unplug: { argument: string; answer: void };
  traffic: { argument: null; answer: ReturnType<Fabric['traffic']> };
  setPeers: { argument: { readonly hostId: string; readonly peers: readonly Peer[] }; answer: void };
}
export type SwitchCall = keyof SwitchCalls;

export interface ToSwitch {
  readonly id: number;
  readonly call: SwitchCall;
  readonly argument: unknown;
}

export type FromSwitch =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown; readonly error: string | null }
  | { readonly kind: 'log'; readonly message: string };
