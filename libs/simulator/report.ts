/** What came of a run, for people: a table in a terminal, a page with charts. */
import { type Chart, chartSvg, escapeHtml } from './chart.js';
import type { SimulationResult } from './simulate.js';

/** Each figure by name, with its value as people read it. */
export function figuresOf({ metrics: m, ...result }: SimulationResult): [name: string, value: string][] {
  const { meanSeconds, longestSeconds, longestDowntimeMs, sentGiB, means } = result.migrationFigures;
  const applied = Object.entries(means).map(([name, times]) => `${name} ${times}`);
  return [
    ['energy', `${m.energyKWh.toFixed(2)} kWh`],
    ['host-hours on', m.hostHours.toFixed(1)],
    ['migrations', m.migrationsFailed > 0 ? `${m.migrations} (${m.migrationsFailed} failed)` : String(m.migrations)],
    ['a migration took', `${meanSeconds.toFixed(1)} s, at most ${longestSeconds.toFixed(1)} s`],
    ...(longestDowntimeMs === null
      ? []
      : [['longest pause', `${longestDowntimeMs.toFixed(0)} ms`] satisfies [string, string]]),
    ['copied', `${sentGiB.toFixed(1)} GiB`],
    ...(applied.length > 0 ? [['steps taken', applied.join(', ')] satisfies [string, string]] : []),
    ['hosts switched', String(m.powerSwitches)],
    ['SLATAH', percent(m.slatah)],
    ['PDM', percent(m.pdm, 4)],
    ['SLAV', m.slav.toExponential(2)],
    ['ESV', m.esv.toExponential(2)],
    ['CPU not served', percent(m.unservedShare, 3)],
    ['imbalance, mean', m.meanImbalance.toFixed(2)],
    ['imbalance, highest', m.highestImbalance.toFixed(2)],
  ];
}

export function reportText(result: SimulationResult): string {
  const width = Math.max(...figuresOf(result).map(([name]) => name.length));
  return [
    `${result.name}: ${result.hosts} hosts, ${result.vms} VMs, ${result.hours} h under ${result.policy.name}`,
    ...figuresOf(result).map(([name, value]) => `  ${name.padEnd(width)}  ${value}`),
    ...result.maintenance.map(({ host, policy, phase, reason }) => `  ${policy} of ${host}: ${phase}: ${reason}`),
  ].join('\n');
}

const MOST_REFUSALS = 50;

/** One file that needs no other. */
export function reportHtml(result: SimulationResult): string {
  const { series, hours } = result;
  const charts: Chart[] = [
    {
      title: 'Power',
      unit: 'kW',
      hours,
      lines: [{ name: 'all hosts', values: series.watts.map((watts) => watts / 1000) }],
    },
    {
      title: 'Hosts',
      unit: 'number',
      hours,
      lines: [
        { name: 'on', values: series.hostsOn },
        { name: 'overloaded', values: series.hostsOverloaded },
      ],
    },
    {
      title: 'Load',
      unit: 'percent, points',
      hours,
      lines: [
        { name: 'CPU of hosts that are on', values: series.cpuPercent },
        { name: 'imbalance', values: series.imbalance },
        { name: 'highest pressure', values: series.highestPressure },
      ],
    },
    { title: 'Migrations', unit: 'begun per step', hours, lines: [{ name: 'migrations', values: series.migrations }] },
  ];
  const rows = figuresOf(result).map(
    ([name, value]) => `<tr><th>${escapeHtml(name)}</th><td>${escapeHtml(value)}</td></tr>`,
  );
  const maintenance = result.maintenance.map(
    ({ host, policy, phase, reason, endedHours }) =>
      `<tr><th>${escapeHtml(host)}</th><td>${escapeHtml(policy ?? '')}</td><td>${phase}</td>` +
      `<td>${endedHours === null ? '' : `${endedHours.toFixed(1)} h`}</td><td>${escapeHtml(reason)}</td></tr>`,
  );
  const refusals = result.refusals.slice(0, MOST_REFUSALS).map((reason) => `<li>${escapeHtml(reason)}</li>`);
  const title = escapeHtml(result.name);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>${title}</title>
<style>
body { font: 14px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; color: #151515; }
th { text-align: left; font-weight: normal; padding-right: 2rem; } td { font-variant-numeric: tabular-nums; }
figure { margin: 2rem 0; } svg { width: 100%; height: auto; font-size: 11px; fill: #6a6e73; }
pre { background: #f5f5f5; padding: 1rem; overflow: auto; }
</style>
</head>
<body>
<h1>${title}</h1>
<p>${result.hosts} hosts, ${result.vms} VMs, ${result.hours} h, policy ${escapeHtml(result.policy.name)}, seed ${result.seed}.</p>
<table>
${rows.join('\n')}
</table>
${charts.map(chartSvg).join('\n')}
${maintenance.length > 0 ? `<h2>Maintenance</h2>\n<table>\n${maintenance.join('\n')}\n</table>` : ''}
${refusals.length > 0 ? `<h2>Left as it is, at the end</h2>\n<ul>\n${refusals.join('\n')}\n</ul>` : ''}
<h2>Policy</h2>
<pre>${escapeHtml(JSON.stringify(result.policy, null, 2))}</pre>
</body>
</html>
`;
}

const percent = (share: number, digits = 2): string => `${(100 * share).toFixed(digits)} %`;
