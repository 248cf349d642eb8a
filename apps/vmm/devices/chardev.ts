import type { PortBackend } from '#vmm';

/** What is at the other end of a port. */
export interface Chardev extends PortBackend {
  /** As query-chardev tells it. */
  readonly filename: string;
  /** Writes what was taken and lets go. */
  close(): Promise<void>;
}
