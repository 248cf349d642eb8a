/** Temperatures of the kernel's sensors (Documentation/hwmon/sysfs-interface.rst); files hold thousandths of °C. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { HealthCheck } from '#contracts';

interface Sensor {
  readonly name: string;
  readonly celsius: number;
  /** From which on it is too hot, and from which on the hardware is in danger; null: the chip does not say. */
  readonly maximum: number | null;
  readonly critical: number | null;
}

/** `root`: /sys/class/hwmon. A sensor that cannot be read now is left out. */
export async function temperatureChecks(root: string): Promise<HealthCheck[]> {
  const chips = (await readdir(root).catch(() => [])).toSorted();
  const checks = await Promise.all(chips.map((chip) => chipChecks(join(root, chip), chip)));
  return checks.flat();
}

async function chipChecks(folder: string, chip: string): Promise<HealthCheck[]> {
  const files = await readdir(folder).catch(() => []);
  const chipName = (await textOf(join(folder, 'name'))) ?? chip;
  const inputs = files.filter((file) => /^temp\d+_input$/.test(file)).toSorted();
  const sensors = await Promise.all(
    inputs.map(async (input) => {
      const sensor = input.slice(0, -'_input'.length);
      const [label, celsius, maximum, critical] = await Promise.all([
        textOf(join(folder, `${sensor}_label`)),
        celsiusOf(join(folder, input)),
        celsiusOf(join(folder, `${sensor}_max`)),
        celsiusOf(join(folder, `${sensor}_crit`)),
      ]);
      return celsius === null ? [] : [{ name: `${chipName} ${label ?? sensor}`, celsius, maximum, critical }];
    }),
  );
  return sensors.flat().map(judgeTemperature);
}

export function judgeTemperature({ name, celsius, maximum, critical }: Sensor): HealthCheck {
  // Some chips give 0 or less where they have no limit.
  const isOver = (limit: number | null) => limit !== null && limit > 0 && celsius >= limit;
  const state = isOver(critical) ? 'failed' : isOver(maximum) ? 'warning' : 'ok';
  const limit = state === 'failed' ? critical : maximum;
  const reason = `${name} is at ${celsius.toFixed(0)} °C${state === 'ok' ? '' : `, its limit is ${limit} °C`}`;
  return { kind: 'temperature', subject: name.slice(0, 100), state, value: celsius, reason };
}

const textOf = (file: string): Promise<string | null> =>
  readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => null,
  );

async function celsiusOf(file: string): Promise<number | null> {
  const text = await textOf(file);
  return text === null || Number.isNaN(Number(text)) ? null : Number(text) / 1000;
}
