/** `-device virtio-rng-device`: random bytes of the host. */
import { randomBytes } from 'node:crypto';
import { VirtioRng } from '#vmm';
import type { Plugged } from './plugged.js';

export const plugRng = (): Plugged => ({ device: new VirtioRng(randomBytes) });
