/** All generators of programs, by what they are about. */
import { floatingPoint } from './float-programs.js';
import { straightLine } from './integer-programs.js';
import { throughPageTables } from './paging-programs.js';
import { protectedMemory } from './pmp-programs.js';
import { privileged } from './privileged-programs.js';
import type { Program } from './program.js';

export const GENERATORS: Readonly<Record<string, (seed: number, blocks: number) => Program>> = {
  'straight-line code with all integer instructions': straightLine,
  'loads, stores and fetches through page tables': throughPageTables,
  'traps, modes and CSRs': privileged,
  'physical memory protection': protectedMemory,
  'floating point': floatingPoint,
};
