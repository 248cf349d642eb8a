/** The same clusters given to Ganeti's hbal and to Drover's planner, in hbal's own text format. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EvenlyDistributedParameters } from '#contracts';
import { imbalance } from '#planner';
import { dice, factsOfGaneti, formatGaneti, parseGaneti, parseGanetiUtilization, planGaneti } from '#simulator';
import { isInstalled } from '../programs.js';
import { type Section, formatFigure } from './table.js';

const GROUP = '0b4a0c0e-0000-4000-8000-000000000001';
const NODE_MEMORY_MIB = 131_072;
const SIZES = [
  { nodes: 10, instances: 100 },
  { nodes: 20, instances: 200 },
];
const evenly = { name: 'evenly_distributed', parameters: EvenlyDistributedParameters.parse({}) } as const;
/** Goes on to the last move that still brings a tenth of a point. */
const thoroughly = {
  name: 'evenly_distributed',
  parameters: EvenlyDistributedParameters.parse({ ImbalanceThreshold: 0, MinimumGain: 0.1, HorizonMinutes: 10_080 }),
} as const;

/** Nodes of 32 cores and 128 GiB; instances on shared storage, crowded on the first nodes, most of them nearly idle. */
function crowdedCluster(nodes: number, instances: number): { cluster: string; utilization: string } {
  const random = dice(nodes);
  const freeMiB = Array.from({ length: nodes }, () => NODE_MEMORY_MIB);
  const loads: string[] = [];
  const instanceLines = Array.from({ length: instances }, (_, index) => {
    const vcpus = 1 + Math.floor(4 * random());
    const memoryMiB = 1024 * 2 ** Math.floor(4 * random());
    let node = Math.floor(nodes * random() ** 2);
    while (freeMiB[node]! < memoryMiB) node = (node + 1) % nodes;
    freeMiB[node]! -= memoryMiB;
    const cpu = (random() ** 3).toFixed(4);
    loads.push(`vm${index} ${cpu} ${cpu} ${cpu} ${cpu}`);
    return `vm${index}|${memoryMiB}|0|${vcpus}|running|Y|node${node}||ext||1|-`;
  });
  const nodeLines = freeMiB.map(
    (free, index) =>
      `node${index}|${NODE_MEMORY_MIB}|0|${free}|1000000|1000000|32|${index === 0 ? 'M' : 'N'}|${GROUP}|1||N|0|1|1.0`,
  );
  const cluster = [[`default|${GROUP}|preferred||`], nodeLines, instanceLines, []]
    .map((lines) => lines.map((line) => `${line}\n`).join(''))
    .join('\n');
  return { cluster, utilization: loads.join('\n') };
}

/** Runs hbal in a folder of its own; its score before, its moves, its CPU time, and the cluster as it would be. */
function runHbal(cluster: string, utilization: string, ...options: string[]) {
  const folder = mkdtempSync(join(tmpdir(), 'drover-hbal-'));
  try {
    const file = (name: string) => join(folder, name);
    writeFileSync(file('cluster'), cluster);
    writeFileSync(file('loads'), utilization);
    const args = ['-t', file('cluster'), '-U', file('loads'), '-S', file('saved'), ...options];
    // bash tells the CPU time of its child in the last line of stderr.
    const { stdout, stderr, status } = spawnSync('bash', ['-c', 'TIMEFORMAT=%U; time hbal "$@"', 'hbal', ...args], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`hbal: ${stderr}`);
    const timeMs = 1000 * Number(stderr.trim().split('\n').at(-1));
    const before = Number(/Initial score: ([\d.]+)/.exec(stdout)![1]);
    const moves = Number(/Solution length=(\d+)/.exec(stdout)?.[1] ?? 0);
    // hbal saves instances on their new nodes, but the free memory of nodes as it was.
    const saved = moves > 0 ? formatGaneti(parseGaneti(readFileSync(file('saved.balanced'), 'utf8'))) : cluster;
    return { before, moves, timeMs, saved };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function benchHbal(): Section {
  const columns = ['Cluster', 'Planner', 'Moves', "hbal's score", "Drover's imbalance", 'CPU time, ms'];
  if (!isInstalled('hbal', 'the comparison with hbal'))
    return { columns, rows: [], notes: ['hbal is not installed here (Debian: ganeti-htools).'] };
  const rows = SIZES.flatMap(({ nodes, instances }) => {
    const { cluster, utilization } = crowdedCluster(nodes, instances);
    const loads = parseGanetiUtilization(utilization);
    const imbalanceOf = (text: string) => imbalance(factsOfGaneti(parseGaneti(text), loads));
    const scoreOf = (text: string) => runHbal(text, utilization, '-l', '0').before;
    const name = `${nodes} nodes, ${instances} instances`;
    const row = (planner: string, moves: number, text: string, timeMs: number | null) => [
      name,
      planner,
      formatFigure(moves),
      formatFigure(scoreOf(text)),
      formatFigure(imbalanceOf(text)),
      timeMs === null ? '–' : formatFigure(timeMs),
    ];
    const hbal = runHbal(cluster, utilization);
    const drover = ([evenly, thoroughly] as const).map((policy) => {
      const began = process.cpuUsage();
      const plan = planGaneti(cluster, utilization, policy);
      return { ...plan, timeMs: process.cpuUsage(began).user / 1000 };
    });
    return [
      row('before', 0, cluster, null),
      row('hbal', hbal.moves, hbal.saved, hbal.timeMs),
      row(
        'hbal, at most as many moves',
        Math.min(hbal.moves, drover[0]!.moves.length),
        runHbal(cluster, utilization, '-l', String(drover[0]!.moves.length)).saved,
        null,
      ),
      row('Drover', drover[0]!.moves.length, drover[0]!.after, drover[0]!.timeMs),
      row('Drover, to the last tenth', drover[1]!.moves.length, drover[1]!.after, drover[1]!.timeMs),
    ];
  });
  return {
    columns,
    rows,
    notes: [
      'Lower is better for score and imbalance; each is of the cluster after all moves, by its own program.',
      'CPU times include reading the files, and for hbal the start of the process; one run each.',
    ],
  };
}
