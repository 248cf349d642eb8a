/** What passes between the main thread, which owns the machine, and the thread of a migration. */
import type { IncomingFigures, IncomingOutcome, MigrationFigures, PrecopyParameters } from '#migration';
import type { MigrationAddress } from './migration-address.js';
import type { ClientTls } from './migration-tls.js';
import type { TlsCredentials } from './tls-credentials.js';

/** workerData of the thread: what it is for. */
export interface MigrationTask {
  readonly memory: WebAssembly.Memory;
  readonly codecModule: WebAssembly.Module;
  readonly boardVersion: number;
  readonly role: OutgoingRole | IncomingRole;
}

export interface OutgoingRole {
  readonly kind: 'outgoing';
  readonly address: MigrationAddress;
  readonly migrationId: string;
  readonly epoch: number;
  readonly parameters: PrecopyParameters;
  /** Whether post-copy may be started. */
  readonly postcopy: boolean;
  /** Null: not encrypted. */
  readonly tls: ClientTls | null;
  /** Connections for pages alone. */
  readonly channels: number;
  /** Shared with the thread: 1 as soon as COMMIT may have been sent, so that this is known even if the thread fails. */
  readonly letGo: Int32Array;
}

export interface IncomingRole {
  readonly kind: 'incoming';
  readonly address: MigrationAddress;
  readonly epoch: number;
  readonly recoverMs: number;
  /** How long a page that was asked for may take. */
  readonly pageMs: number;
  /** File with the VM's memory from an earlier stay. */
  readonly checkpoint: string | null;
  /** Null: not encrypted. */
  readonly tls: TlsCredentials | null;
}

/** What the engine asks of the machine, with the answers. */
export interface MachineCalls {
  stop: { argument: null; answer: { running: boolean } };
  resume: { argument: null; answer: null };
  saveState: { argument: null; answer: Uint8Array };
  restoreState: { argument: { readonly state: Uint8Array; readonly running: boolean }; answer: null };
  start: { argument: boolean; answer: null };
  lose: { argument: null; answer: null };
}
export type MachineCall = keyof MachineCalls;

export type FromThread =
  | { readonly kind: 'call'; readonly id: number; readonly call: MachineCall; readonly argument: unknown }
  | { readonly kind: 'outgoing'; readonly figures: MigrationFigures }
  | { readonly kind: 'listening'; readonly bound: MigrationAddress }
  | { readonly kind: 'incoming'; readonly figures: IncomingFigures }
  /** Somebody came who was no migration; listening goes on. */
  | { readonly kind: 'stranger'; readonly message: string }
  | { readonly kind: 'received'; readonly outcome: IncomingOutcome['kind'] }
  /** Answer to `finish`: null or why not. */
  | { readonly kind: 'finishing'; readonly refusal: string | null }
  | { readonly kind: 'listenFailed'; readonly message: string }
  /** It listens for a source that comes back; or why not. */
  | { readonly kind: 'recovering'; readonly bound: MigrationAddress }
  | { readonly kind: 'recoverFailed'; readonly message: string }
  /** An order came too late, or too early. */
  | { readonly kind: 'refused'; readonly message: string };

export type ToThread =
  | { readonly kind: 'answer'; readonly id: number; readonly answer: unknown; readonly error: string | null }
  | { readonly kind: 'parameters'; readonly parameters: PrecopyParameters }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'finish' }
  | PostcopyOrder;

/** As of PrecopySource and IncomingMigration. */
export type PostcopyOrder =
  | { readonly kind: 'startPostcopy' | 'pause' | 'giveUp' }
  | { readonly kind: 'resume' | 'recover'; readonly address: MigrationAddress }
  | { readonly kind: 'request'; readonly pages: readonly number[] }
  | { readonly kind: 'recoverTime'; readonly ms: number };
