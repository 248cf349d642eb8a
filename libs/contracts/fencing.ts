/** What becomes of a host that is lost, by itself: its power is cut, so that what ran there runs nowhere. */
import { z } from 'zod';

export const FencingPolicy = z
  .object({
    /** Off, unless somebody switches it on. */
    enabled: z.boolean().default(false),
    /** A host is silent for so long before it is fenced; meanwhile its kernel may write a dump, or its agent come back. */
    graceSeconds: z.int().min(0).max(3600).default(60),
    /** While more of the cluster's hosts are silent than so many percent, none is fenced: it is rather the network. */
    skipIfSilentPercent: z.int().min(1).max(100).default(50),
    /** So many are fenced in one moment; the others wait, and may have come back by then. */
    hostsAtOnce: z.int().min(1).max(100).default(1),
    /** Whether a host is switched on again once it is off. One that is fenced again within an hour stays off. */
    restart: z.boolean().default(true),
  })
  .strict();
export type FencingPolicy = z.infer<typeof FencingPolicy>;
export const DEFAULT_FENCING: FencingPolicy = FencingPolicy.parse({});
