/** QEMU's run states, those that a Drover VM can be in, and how one may follow another (QEMU, qapi/run-state.json). */
export type RunState =
  | 'prelaunch'
  | 'inmigrate'
  | 'running'
  | 'paused'
  | 'watchdog'
  | 'io-error'
  | 'internal-error'
  | 'finish-migrate'
  | 'postmigrate'
  | 'shutdown';

/**
 * After `postmigrate` the VM runs elsewhere, and this copy never runs again. `finish-migrate` goes back to what was
 * before if the migration fails before its point of no return. `watchdog` is a pause that the watchdog has brought about,
 * `io-error` one that an error of a disk has. After `internal-error` the VM never runs again: memory of it is lost.
 */
const NEXT: Readonly<Record<RunState, readonly RunState[]>> = {
  prelaunch: ['running', 'finish-migrate', 'shutdown'],
  inmigrate: ['running', 'paused', 'prelaunch', 'shutdown'],
  running: ['paused', 'watchdog', 'io-error', 'internal-error', 'finish-migrate', 'shutdown'],
  paused: ['running', 'internal-error', 'finish-migrate', 'shutdown'],
  watchdog: ['running', 'internal-error', 'finish-migrate', 'shutdown'],
  'io-error': ['running', 'internal-error', 'finish-migrate', 'shutdown'],
  'internal-error': ['shutdown'],
  'finish-migrate': ['running', 'paused', 'watchdog', 'io-error', 'prelaunch', 'postmigrate', 'shutdown'],
  postmigrate: ['shutdown'],
  shutdown: [],
};

/** Throws an Error if `to` may not follow `from`. */
export function checkTransition(from: RunState, to: RunState): void {
  if (!NEXT[from].includes(to)) throw new Error(`a VM that is ${from} cannot become ${to}`);
}
