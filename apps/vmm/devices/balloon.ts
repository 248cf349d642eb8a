/** `-device virtio-balloon-device`: takes guest memory and gives it, as QEMU's QMP commands ask. */
import { integer, QmpError, type QmpServer } from '#qmp';
import { VirtioBalloon } from '#vmm';
import { openHostMemory } from '../host-memory.js';
import type { ObjectProperties } from '../qom.js';
import { UsageError } from '../usage-error.js';
import type { Host, Plugged } from './plugged.js';
import type { Properties } from './properties.js';

const SWITCH = ['off', 'on'] as const;
const MAX_INTERVAL_SECONDS = 86_400;

export async function plugBalloon(properties: Properties, host: Host): Promise<Plugged> {
  const memory = await openHostMemory();
  if (memory.refusal !== undefined) host.log(`balloon: no memory goes back to the host: ${memory.refusal}`);
  /** In the shape of docs/interop/virtio-balloon-stats.rst of QEMU; what the guest does not tell is left out. */
  let guestStats: Record<string, unknown> = { stats: {}, 'last-update': 0 };
  const device = new VirtioBalloon(
    {
      deflateOnOom: properties.oneOf('deflate-on-oom', SWITCH, 'off') === 'on',
      freePageReporting: properties.oneOf('free-page-reporting', SWITCH, 'off') === 'on',
    },
    {
      giveBack: memory.giveBack,
      changed: (actual) => host.event('BALLOON_CHANGE', { actual }),
      told: (stats) => (guestStats = { stats, 'last-update': Math.floor(Date.now() / 1000) }),
    },
  );
  return {
    device,
    properties: {
      'guest-stats': { type: 'guest statistics', get: () => guestStats },
      ...pollingOf(device),
      'x-drover-given-back-bytes': { type: 'int', get: () => device.givenBackBytes },
      'x-drover-refusal': { type: 'string', get: () => memory.refusal ?? '' },
    },
  };
}

function pollingOf(device: VirtioBalloon): ObjectProperties {
  const seconds = integer(0, MAX_INTERVAL_SECONDS);
  let interval = 0;
  let timer: NodeJS.Timeout | undefined;
  const set = (value: unknown) => {
    interval = seconds(value, 'value');
    clearInterval(timer);
    if (interval > 0) timer = setInterval(() => device.requestStats(), interval * 1000);
  };
  return { 'guest-stats-polling-interval': { type: 'int', get: () => interval, set } };
}

/** `balloon` and `query-balloon` (QEMU, qapi/machine.json); without a balloon both say so. Two are a UsageError. */
export function registerBalloonCommands(qmp: QmpServer, plugged: readonly Plugged[]): void {
  const [device, second] = plugged.map((each) => each.device).filter((each) => each instanceof VirtioBalloon);
  if (second) throw new UsageError('-device virtio-balloon-device is given twice: a VM has one balloon');
  const balloon = () => {
    if (!device) throw new QmpError('No balloon device has been activated', 'DeviceNotActive');
    return device;
  };
  qmp.register('query-balloon', {}, () => ({ actual: balloon().actualBytes }));
  qmp.register('balloon', { value: integer(1) }, ({ value }) => balloon().setTarget(value));
}
