import { type EntityManager, In } from 'typeorm';
import type { VmReport } from '#contracts';
import { VmReportRow } from '../entities/vm-report.entity.js';

/** What hosts last said about their VMs. */
export class ReportRepository {
  constructor(private readonly manager: EntityManager) {}

  private get rows() {
    return this.manager.getRepository(VmReportRow);
  }

  async save(hostId: string, reports: readonly VmReport[], now: Date): Promise<void> {
    if (reports.length === 0) return;
    await this.manager.query(
      `INSERT INTO vm_report AS old (host_id, vm_id, epoch, status, exit_code, message, since, seen_at)
       SELECT $1, r."vmId", r.epoch, r.status, r."exitCode", r.message, $3, $3
         FROM jsonb_to_recordset($2::jsonb)
              AS r("vmId" uuid, epoch int, status text, "exitCode" int, message text)
       ON CONFLICT (host_id, vm_id) DO UPDATE SET
         since = CASE WHEN (old.epoch, old.status) = (EXCLUDED.epoch, EXCLUDED.status) THEN old.since ELSE $3 END,
         epoch = EXCLUDED.epoch, status = EXCLUDED.status, exit_code = EXCLUDED.exit_code,
         message = EXCLUDED.message, seen_at = $3`,
      [hostId, JSON.stringify(newestOfEach(reports)), now],
    );
  }

  ofVms(vmIds: readonly string[]): Promise<VmReportRow[]> {
    return vmIds.length === 0 ? Promise.resolve([]) : this.rows.findBy({ vmId: In(vmIds) });
  }

  async forget(hostId: string, vmIds: readonly string[]): Promise<void> {
    if (vmIds.length > 0) await this.rows.delete({ hostId, vmId: In(vmIds) });
  }
}

/** A host may hold an ended copy beside a running one; the higher epoch counts. */
function newestOfEach(reports: readonly VmReport[]): VmReport[] {
  const newest = new Map<string, VmReport>();
  for (const report of reports)
    if (report.epoch >= (newest.get(report.vmId)?.epoch ?? -1)) newest.set(report.vmId, report);
  return [...newest.values()];
}
