/**
 * What a move costs, and what it must bring to be made.
 *
 * Both are measured in point-seconds: percent points of a host's resources, averaged over CPU, memory and network, times
 * the seconds that they are taken or freed. A gain of 5 points that lasts half an hour is 9,000 point-seconds. That load
 * will stay as it is for a horizon, and no longer, is the assumption of VMware's DRS (Gulati et al., "VMware Distributed
 * Resource Management: Design, Implementation and Lessons Learned", 2012).
 */
import type { HostFacts, MigrationPrediction, VmFacts } from './facts.js';
import { sizeOfDisksMiB } from './storage-room.js';

export interface MoveCost {
  readonly bytes: number;
  readonly durationMs: number;
  readonly pauseMs: number;
  /** By how much the guest runs slower until the move ends, 0-1. */
  readonly slowdown: number;
  readonly pointSeconds: number;
}

const MIB = 1024 * 1024;
/** A gigabit, of which protocols leave 94 %: what is assumed of a link that nobody has measured. */
const ASSUMED_LINK_MIBPS = 112;
/** Each end of a migration keeps one core busy. */
const COPYING_CORES = 1;
/** Switching over: stop, device state, load, resume. */
const LEAST_PAUSE_MS = 30;
/** Pages that are copied last, with the guest stopped, are those written during about this time. */
const LAST_PASS_MS = 100;
/** A guest whose writes fill the link is never done; reckoned with as one that fills so much of it. */
const MOST_DIRTYING = 0.9;

type Ends = readonly [source: Pick<HostFacts, 'networkMiBps'>, destination: Pick<HostFacts, 'networkMiBps'>];

/**
 * Bytes, time, pause and slowdown of a move. Where nothing was predicted, of a pre-copy: with the ratio r of dirty rate to bandwidth, pass after pass sends r
 * times what the last one sent, in sum 1 / (1 - r) times the memory. A guest that is being copied takes a fault at its
 * first write to each page, which costs it about the share of the link that it dirties.
 */
export function predict(vm: VmFacts, [source, destination]: Ends): MigrationPrediction {
  const link = Math.min(source.networkMiBps ?? ASSUMED_LINK_MIBPS, destination.networkMiBps ?? ASSUMED_LINK_MIBPS);
  const memory = vm.prediction ?? precopy(vm, link);
  const disksMiB = sizeOfDisksMiB(vm); // copied before the memory, over the same link
  if (disksMiB === 0) return memory;
  return {
    ...memory,
    bytes: memory.bytes + disksMiB * MIB,
    durationMs: memory.durationMs + (1000 * disksMiB) / link,
  };
}

function precopy(vm: VmFacts, link: number): MigrationPrediction {
  const dirtying = Math.min(MOST_DIRTYING, (vm.dirtyRateMiBps ?? 0) / link);
  const sentMiB = Math.min(vm.memoryMiB, vm.memoryUsedMiB ?? vm.memoryMiB) / (1 - dirtying);
  const pauseMs = LEAST_PAUSE_MS + LAST_PASS_MS * dirtying;
  return { bytes: sentMiB * MIB, durationMs: (1000 * sentMiB) / link + pauseMs, pauseMs, slowdown: dirtying / 2 };
}

export interface CostEnd extends Pick<HostFacts, 'networkMiBps'> {
  readonly percentPerCore: number;
  readonly percentPerMiB: number;
}

/** An end with the best of all these: no move to any of them costs less than one to it. */
export const bestOf = (ends: readonly CostEnd[]): CostEnd => ({
  networkMiBps: Math.max(...ends.map(({ networkMiBps }) => networkMiBps ?? ASSUMED_LINK_MIBPS)),
  percentPerCore: Math.min(...ends.map(({ percentPerCore }) => percentPerCore)),
  percentPerMiB: Math.min(...ends.map(({ percentPerMiB }) => percentPerMiB)),
});

/** The cost of moving the VM between these hosts. */
export function costOf(vm: VmFacts, source: CostEnd, destination: CostEnd): MoveCost {
  const { bytes, durationMs, pauseMs, slowdown } = predict(vm, [source, destination]);
  const seconds = durationMs / 1000;
  const mibps = bytes / MIB / seconds;
  const taken = (end: CostEnd) =>
    COPYING_CORES * end.percentPerCore + (100 * mibps) / Math.max(mibps, end.networkMiBps ?? ASSUMED_LINK_MIBPS);
  const doubleOccupancy = vm.memoryMiB * destination.percentPerMiB;
  const slowed = vm.cpuUsedCores * source.percentPerCore * (slowdown * seconds + pauseMs / 1000);
  const pointSeconds = (seconds * (taken(source) + taken(destination) + doubleOccupancy) + slowed) / 3;
  return { bytes, durationMs, pauseMs, slowdown, pointSeconds };
}
