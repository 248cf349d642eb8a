import type { MaintenanceReport } from '#contracts';
import { duration, mebibytes } from '../parts/figures.js';
import { ArrowIcon } from '../parts/icons.js';
import { CHOICE_WORDS } from './words.js';

/** Where each VM would go, how long it takes, and what is in the way. */
export function ReportView({ report }: { report: MaintenanceReport }) {
  return (
    <div>
      <h3 className={`dialog-heading ${report.isFeasible ? '' : 'tone-warn'}`}>{report.summary}</h3>
      <ul className="fates">
        {report.hosts
          .flatMap(({ vms }) => vms)
          .map((vm) => (
            <li key={vm.vmId}>
              <b>{vm.vmName}</b> <span className="subtle">{mebibytes(vm.memoryMiB)}</span>{' '}
              {vm.destinationHostName ? (
                <>
                  <ArrowIcon aria-label="to" /> {vm.destinationHostName}{' '}
                  <span className="subtle">
                    {vm.expectedSeconds === null
                      ? 'would not arrive by itself'
                      : `in about ${duration(vm.expectedSeconds * 1000)}`}
                  </span>
                </>
              ) : (
                <>
                  {vm.reason}
                  {vm.choices.length > 0 && (
                    <div className="subtle">
                      It may be chosen that it {vm.choices.map((choice) => CHOICE_WORDS[choice]).join(', or ')}.
                    </div>
                  )}
                </>
              )}
            </li>
          ))}
      </ul>
    </div>
  );
}
