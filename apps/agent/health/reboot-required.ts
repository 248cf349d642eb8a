/** Whether an update waits for a restart of the host (Debian's and Ubuntu's /run/reboot-required). */
import { readFile } from 'node:fs/promises';
import type { HealthCheck } from '#contracts';

/** `file`: /run/reboot-required; beside it, `.pkgs` names the packages. */
export async function rebootCheck(file: string): Promise<HealthCheck> {
  const isRequired = await readFile(file, 'utf8').then(
    () => true,
    () => false,
  );
  const packages = await readFile(`${file}.pkgs`, 'utf8').catch(() => '');
  return judgeReboot(isRequired, [...new Set(packages.split('\n').filter((line) => line !== ''))]);
}

export function judgeReboot(isRequired: boolean, packages: readonly string[]): HealthCheck {
  const why = packages.length > 0 ? ` because of ${packages.join(', ')}` : '';
  const reason = isRequired ? `it is to be restarted${why}` : 'nothing waits for a restart';
  return {
    kind: 'reboot_required',
    subject: '',
    state: isRequired ? 'warning' : 'ok',
    value: null,
    reason: reason.slice(0, 500),
  };
}
