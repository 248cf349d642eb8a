/** What moving the VM would take: as its host measured it last, and measured now when somebody asks. */
import { Alert, Button } from '@patternfly/react-core';
import { useMutation } from '@tanstack/react-query';
import type { MigrationPrediction, VmView } from '#contracts';
import { useSession } from '../live/session.js';
import { ProblemAlert } from '../parts/feedback.js';
import { duration, mebibytes, rate } from '../parts/figures.js';
import { Fact, Facts, Panel } from '../parts/page.js';
import { When } from '../parts/when.js';
import { meansText } from '../policies/means-words.js';

const LINK: Record<MigrationPrediction['bandwidthFrom'], string> = {
  measured: 'measured in its host’s latest migrations',
  limit: 'the limit of its policy',
  assumed: 'assumed: nothing has been measured',
};

export function PredictionPanel({ vm }: { vm: VmView }) {
  const { client } = useSession();
  const { data, error, isPending, mutate } = useMutation({ mutationFn: () => client.vms.migrationPrediction(vm.id) });
  const prediction = data ?? vm.migrationPrediction;
  return (
    <Panel
      title="What a move would take"
      aside={
        <Button
          variant="secondary"
          size="sm"
          onClick={() => mutate()}
          isDisabled={vm.status !== 'up'}
          isLoading={isPending}
        >
          Measure now
        </Button>
      }
    >
      {error && <ProblemAlert error={error} />}
      {!prediction && (
        <p className="quiet">
          Not measured yet: its host does so by itself a minute after it came, and every ten minutes unless set
          otherwise. Measuring takes a second, and does not disturb the guest.
        </p>
      )}
      {prediction && <Answer prediction={prediction} />}
    </Panel>
  );
}

/** A prediction that an older version has stored has none. */
const shareText = (share: number | null | undefined): string =>
  share == null ? 'not sampled' : `${Math.round(share * 100)} % of it`;

function Answer({ prediction }: { prediction: MigrationPrediction }) {
  const { at, totalMs, downtimeMs, transferredMiB, means, reason, usedMiB, dirtyRateMiBps } = prediction;
  const { bandwidthMiBps, bandwidthFrom } = prediction;
  return (
    <div className="stack">
      <Alert isInline isPlain variant={totalMs === null ? 'warning' : 'info'} title={reason} />
      <Facts>
        <Fact name="Time">{totalMs === null ? 'would not end' : duration(totalMs)}</Fact>
        <Fact name="Pause">{downtimeMs === null ? '–' : duration(downtimeMs)}</Fact>
        <Fact name="Sent">{transferredMiB === null ? '–' : mebibytes(transferredMiB)}</Fact>
        <Fact name="Means needed">{means.map(meansText).join(', ') || 'none'}</Fact>
        <Fact name="Memory used">{mebibytes(usedMiB)}</Fact>
        <Fact name="Writes">{rate(dirtyRateMiBps)}</Fact>
        <Fact name="A page compressed">{shareText(prediction.compressedShare)}</Fact>
        <Fact name="What changes in it">{shareText(prediction.deltaShare)}</Fact>
        <Fact name="Link">
          {rate(bandwidthMiBps)} <span className="subtle">{LINK[bandwidthFrom]}</span>
        </Fact>
        <Fact name="Measured">
          <When at={at} />
        </Fact>
      </Facts>
    </div>
  );
}
