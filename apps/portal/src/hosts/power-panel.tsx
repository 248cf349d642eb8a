/** How the host is switched on and off, whether it comes back, and what it draws. */
import { Alert, Button } from '@patternfly/react-core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { HostPowerView, HostView, PowerManagement, PowerOperationKind } from '#contracts';
import { useSession } from '../live/session.js';
import { ActionMenu } from '../parts/action-menu.js';
import { ConfirmDialog } from '../parts/dialog.js';
import { LoadingPage, ProblemAlert } from '../parts/feedback.js';
import { duration } from '../parts/figures.js';
import { Fact, Facts, Panel } from '../parts/page.js';
import { useToasts } from '../parts/toasts.js';
import { When } from '../parts/when.js';
import { HardwareDialog } from './hardware-dialog.js';
import { PowerManagementDialog } from './power-management-dialog.js';

/** While something is under way, the panel looks again so often. */
const REFRESH_MS = 2000;

const managementText = (management: PowerManagement): string =>
  management.type === 'fence_agent'
    ? `${management.agent} at ${management.address}`
    : management.type === 'wake_on_lan'
      ? `wake-on-LAN to ${management.macAddress}${management.program ? `, off by ${management.program}` : ''}`
      : `program ${management.program}`;

const WAKE_UP = {
  none: 'Drover cannot switch it',
  unproven: 'not seen yet: test it, or no policy switches it off',
  proven: 'has been seen to come back',
} as const;

const ORDERS: Record<PowerOperationKind, { title: string; verb: string; text: string }> = {
  on: { title: 'Switch on', verb: 'Switch on', text: 'It is in maintenance when its agent answers.' },
  off: { title: 'Switch off', verb: 'Switch off', text: 'It stays off until somebody, or a policy, switches it on.' },
  cycle: { title: 'Power cycle', verb: 'Power cycle', text: 'Its power is cut and given again.' },
  test: {
    title: 'Test power management',
    verb: 'Test',
    text: 'It is switched off and on, and the time until its agent answers is measured.',
  },
};

export function PowerPanel({ host }: { host: HostView }) {
  const { client } = useSession();
  const [dialog, setDialog] = useState<'management' | 'hardware' | null>(null);
  const { data, error, refetch } = useQuery({
    queryKey: ['host-power', host.id, host.status],
    queryFn: () => client.power.get(host.id),
    refetchInterval: ({ state }) => (state.data?.operation ? REFRESH_MS : false),
    placeholderData: (before: HostPowerView | undefined) => before,
  });
  const again = () => void refetch();
  return (
    <Panel
      title="Power"
      aside={
        data && (
          <div className="panel-actions">
            <Button variant="secondary" size="sm" onClick={() => setDialog('management')}>
              {data.management ? 'Change management' : 'Set up management'}
            </Button>
            <PowerMenu host={host} power={data} onDone={again} onHardware={() => setDialog('hardware')} />
          </div>
        )
      }
    >
      {error && <ProblemAlert error={error} onRetry={again} />}
      {!data && !error && <LoadingPage />}
      {data && <PowerFacts power={data} />}
      {data && dialog === 'management' && (
        <PowerManagementDialog host={host} power={data} onSaved={again} onClose={() => setDialog(null)} />
      )}
      {data && dialog === 'hardware' && (
        <HardwareDialog host={host} power={data} onSaved={again} onClose={() => setDialog(null)} />
      )}
    </Panel>
  );
}

function PowerFacts({ power }: { power: HostPowerView }) {
  const { management, operation } = power;
  return (
    <>
      {operation?.error && (
        <Alert isInline variant="warning" title={`Tried ${operation.attempts} times: ${operation.error}`} />
      )}
      <Facts>
        <Fact name="Management">{management ? managementText(management) : 'none'}</Fact>
        <Fact name="Wake-up">{WAKE_UP[power.wakeUp]}</Fact>
        <Fact name="Boot time">
          {power.bootSeconds === null
            ? 'not measured yet'
            : `${duration(power.bootSeconds * 1000)}, ${power.boots.length} measured`}
        </Fact>
        {operation && <Fact name="Under way">{ORDERS[operation.kind].title.toLowerCase()}</Fact>}
        {power.isParked && <Fact name="Parked">by its cluster&apos;s policy, which wakes it when it is needed</Fact>}
        <Fact name="In this state">
          <When at={power.powerSince} />
        </Fact>
        <Fact name="Draws">
          {drawText(power)}
          {power.measuredWatts !== null && `; ${power.measuredWatts} W now, by its BMC`}
        </Fact>
        <Fact name="In service since">{power.inServiceSince ?? 'not known'}</Fact>
      </Facts>
    </>
  );
}

/** The curve that was given counts, else the one that was learnt. */
function drawText({ wattsAt, learntWattsAt, offWatts }: HostPowerView): string {
  const curve = wattsAt ?? learntWattsAt;
  if (!curve) return 'not known';
  const [idle, busy] = [curve[0]!, curve.at(-1)!].map((watts) => watts.toFixed(0));
  return `${idle} W idle, ${busy} W busy, ${offWatts} W off${wattsAt ? '' : ' (learnt from its BMC)'}`;
}

interface MenuProps {
  readonly host: HostView;
  readonly power: HostPowerView;
  readonly onDone: () => void;
  readonly onHardware: () => void;
}

function PowerMenu({ host, power, onDone, onHardware }: MenuProps) {
  const { client } = useSession();
  const { act } = useToasts();
  const [asked, setAsked] = useState<PowerOperationKind | null>(null);
  const isLost = host.status === 'non_responsive';
  const whyNot = (kind: PowerOperationKind): string | undefined => {
    if (!power.management) return 'It has no power management.';
    if (power.operation) return 'It is being switched already.';
    if (kind === 'on')
      return host.status === 'powered_off' || host.status === 'non_responsive' ? undefined : 'It is on.';
    if (kind === 'off' && host.status === 'powered_off') return 'It is off.';
    if (isLost) return kind === 'test' ? 'It does not answer: a test would prove nothing.' : undefined;
    return host.status === 'maintenance' || host.status === 'powered_off' ? undefined : 'Set it to maintenance first.';
  };
  const ask = () =>
    void act(
      () => client.power.status(host.id),
      ({ status }) =>
        status === 'unknown' ? `What switches ${host.name} cannot tell its state` : `${host.name} is ${status}`,
      `The power management of ${host.name} does not answer`,
    );
  const orders = (['on', 'off', 'cycle', 'test'] as const).map((kind) => ({
    title: `${ORDERS[kind].title}…`,
    onClick: () => setAsked(kind),
    isDanger: kind === 'off' || kind === 'cycle',
    isDisabled: whyNot(kind) !== undefined,
    why: whyNot(kind),
  }));
  const more = [
    { title: 'Ask its management', onClick: ask, isDisabled: !power.management },
    { title: 'Hardware…', onClick: onHardware, isDisabled: false },
  ];
  return (
    <>
      <ActionMenu label={`Power of ${host.name}`} actions={[...orders, ...more]} />
      {asked && (
        <ConfirmDialog
          title={`${ORDERS[asked].title}: ${host.name}?`}
          verb={ORDERS[asked].verb}
          isDanger={asked === 'off' || asked === 'cycle'}
          onClose={() => setAsked(null)}
          action={async () => {
            await client.power.order(host.id, asked, { reason: '', force: isLost });
            onDone();
          }}
        >
          {ORDERS[asked].text}
          {isLost && asked !== 'on' && (
            <p className="tone-warn">
              {host.name} does not answer, but VMs may still run there: whatever they have not stored is lost.
            </p>
          )}
        </ConfirmDialog>
      )}
    </>
  );
}
