/**
 * Failover pairs (virtio 1.2, section 5.1.3, VIRTIO_NET_F_STANDBY; QEMU, docs/system/virtio-net-failover.rst): a card that
 * migrates, the standby, and one of the same address that is a device of the host and does not, the primary. A guest whose
 * driver knows of standbys is given the primary, too, and asked to let it go before the VM moves: its link goes down, and
 * the driver resets it. Until it has another one, traffic goes by the standby.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { ANNOUNCE_DEFAULTS } from '#network';
import { UsageError } from '../usage-error.js';
import type { Nic } from './nic.js';
import type { Host, Plugged } from './plugged.js';

export class FailoverPair {
  /** The guest has the primary, or may take it. */
  isPlugged = false;
  /** The VM is here and stays. */
  private isAllowed = false;
  /** Somebody waits until the guest has let the primary go. */
  private onGone: (() => void) | null = null;

  constructor(
    /** Ids of the two. */
    private readonly ids: { readonly standby: string; readonly primary: string },
    private readonly standby: Nic,
    private readonly primary: Nic,
    private readonly event: Host['event'],
  ) {
    standby.onDriver = { ready: () => this.standbyReady(), reset: () => this.unplug() };
    primary.onDriver = { ready: () => undefined, reset: () => this.primaryReset() };
  }

  /** The guest may have the primary from now on, if its driver knows of it. */
  allow(): void {
    this.isAllowed = true;
    if (this.isPlugged) this.primary.device.setLink(true);
    if (this.standby.device.knowsStandby) this.plug();
  }

  /** The VM is about to move: a guest that finds its driver only now has to wait. */
  forbid(): void {
    this.isAllowed = false;
  }

  /**
   * Has the guest let the primary go. Rejects with an Error that says what is in the way, after `limitMs` at the latest or
   * when the signal aborts; then the guest has it as before.
   */
  async release(limitMs: number, signal: AbortSignal): Promise<void> {
    this.forbid();
    if (!this.isPlugged) return;
    const { primary } = this.ids;
    this.event('UNPLUG_PRIMARY', { 'device-id': primary });
    if (this.primary.device.isDriven) {
      const gone = new Promise<true>((resolve) => (this.onGone = () => resolve(true)));
      this.primary.device.setLink(false);
      const isGone = await Promise.race([gone, sleep(limitMs, false, { signal })]).finally(() => (this.onGone = null));
      if (!isGone) {
        const text = `the guest has not let device ${primary} of the host go within ${limitMs / 1000} s`;
        throw new Error(`${text}: unload its driver in the guest, or raise x-drover-unplug-timeout`);
      }
    }
    this.unplug();
    this.event('DEVICE_DELETED', { device: primary, path: `/machine/peripheral/${primary}` });
  }

  private standbyReady(): void {
    if (this.isAllowed && this.standby.device.knowsStandby) this.plug();
  }

  private primaryReset(): void {
    this.onGone?.();
  }

  private plug(): void {
    if (this.isPlugged) return;
    this.isPlugged = true;
    this.event('FAILOVER_NEGOTIATED', { 'device-id': this.ids.standby });
    this.primary.device.plug();
    void this.primary.announce(ANNOUNCE_DEFAULTS); // its network may have another way to the guest in its tables
  }

  private unplug(): void {
    if (!this.isPlugged) return;
    this.isPlugged = false;
    this.primary.device.unplug();
    this.onGone?.();
  }
}

/** Each primary with its standby. Throws a UsageError that names the option to mend. */
export function pairUp(plugged: readonly Plugged[], event: Host['event']): FailoverPair[] {
  const taken = new Set<string>();
  return plugged.flatMap(({ id, nic }) => {
    const { standbyId } = nic ?? {};
    if (!nic || standbyId === undefined) return [];
    const standby = plugged.find((other) => other.id === standbyId && other.nic?.isStandby)?.nic;
    const what = `-device virtio-net-device,failover_pair_id=${standbyId}`;
    if (id === undefined) throw new UsageError(`${what}: id= is missing, by which the guest is asked to let it go`);
    if (!standby) throw new UsageError(`${what}: there is no virtio-net-device,id=${standbyId},failover=on`);
    if (standby.mac !== nic.mac) throw new UsageError(`${what}: give both the same mac=`);
    if (taken.has(standbyId)) throw new UsageError(`${what}: another card is its primary`);
    taken.add(standbyId);
    return [new FailoverPair({ standby: standbyId, primary: id }, standby, nic, event)];
  });
}
