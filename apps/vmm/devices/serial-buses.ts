import type { VirtioConsole } from '#vmm';

/** The devices with ports, by the name that QEMU gives their bus. */
export class SerialBuses {
  private readonly devices = new Map<string, VirtioConsole>();
  private last: VirtioConsole | undefined;

  /** `id`: of the device. */
  add(id: string | undefined, device: VirtioConsole): void {
    this.devices.set(id === undefined ? `virtio-serial-bus.${this.devices.size}` : `${id}.0`, device);
    this.last = device;
  }

  /** The device of that bus, or the one that was added last. Throws an Error if there is none. */
  find(bus: string | undefined): VirtioConsole {
    const device = bus === undefined ? this.last : this.devices.get(bus);
    if (device) return device;
    throw new Error(bus === undefined ? 'put -device virtio-serial-device before it' : `there is no bus ${bus}`);
  }
}
