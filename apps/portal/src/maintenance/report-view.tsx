import { FormSelect, FormSelectOption } from '@patternfly/react-core';
import type { BlockedChoice, MaintenanceReport } from '#contracts';
import { mebibytes, roughly } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';
import { CHOICE_WORDS } from './words.js';

type VmFate = MaintenanceReport['hosts'][number]['vms'][number];

interface ReportProps {
  readonly report: MaintenanceReport;
  /** What is chosen for VMs that cannot leave, by id; of others the form's own choice holds. */
  readonly choices: Readonly<Record<string, BlockedChoice>>;
  readonly onChoose: (vmId: string, choice: BlockedChoice | null) => void;
}

/** Where each VM would go, how long it takes, and what is in the way. */
export function ReportView({ report, choices, onChoose }: ReportProps) {
  return (
    <div>
      <h3 className={`dialog-heading ${report.isFeasible ? '' : 'tone-warn'}`}>{report.summary}</h3>
      <ul className="fates">
        {report.hosts
          .flatMap(({ vms }) => vms)
          .map((vm) => (
            <li key={vm.vmId}>
              <b>{vm.vmName}</b> <span className="subtle">{mebibytes(vm.memoryMiB)}</span>{' '}
              {vm.destinationHostName ? <Way vm={vm} /> : vm.reason}
              {vm.choices.length > 0 && (
                <FormSelect
                  aria-label={`If ${vm.vmName} cannot leave`}
                  value={choices[vm.vmId] ?? ''}
                  onChange={(_, choice) => onChoose(vm.vmId, choice === '' ? null : (choice as BlockedChoice))}
                >
                  <FormSelectOption value="" label="as for all" />
                  {vm.choices.map((choice) => (
                    <FormSelectOption key={choice} value={choice} label={`it ${CHOICE_WORDS[choice]}`} />
                  ))}
                </FormSelect>
              )}
            </li>
          ))}
      </ul>
    </div>
  );
}

const Way = ({ vm: { destinationHostName, expectedSeconds } }: { vm: VmFate }) => (
  <>
    <ArrowIcon aria-label="to" /> {destinationHostName}{' '}
    <span className="subtle">
      {expectedSeconds === null ? 'would not arrive by itself' : `in about ${roughly(expectedSeconds)}`}
    </span>
  </>
);
