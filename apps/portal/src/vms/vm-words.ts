/** VMs in words for people. */
import type { VmPlacement } from '#contracts';

export const PLACEMENT_WORDS: Record<VmPlacement, string> = {
  migratable: 'by policies and people',
  user_migratable: 'by people alone',
  pinned: 'by nobody',
};

export const PRIORITY_HELP = '1 (low) to 100 (high): of VMs on a host that is emptied the higher leaves first.';

export const HA_HELP = 'Started on another host when its own has lost its power, and that is proven.';
