/** QMP command that tells what compression and XBZRLE would gain on this guest, before anybody migrates it. */
import { bindCodec, loadCompressors, PageSampler } from '#migration';
import type { QmpServer } from '#qmp';
import { bitmapWords, type GuestMemory, layout } from '#vmm';

/** By which pages are compressed that nobody sends. */
const COMPRESSION = { method: 'zstd', level: 1 } as const;
/** A look after a longer silence is the first one of others. */
const SILENCE_MS = 2000;

/** Each time it looks at pages written since x-drover-stats last counted them; what they have in common with the time before are deltas. */
export function registerPageSampling(qmp: QmpServer, memory: GuestMemory, codecModule: WebAssembly.Module): void {
  let sampler: PageSampler | undefined;
  let lookedAtMs = -Infinity;
  qmp.register('x-drover-sample-pages', {}, async () => {
    if (!sampler) {
      const codec = bindCodec(codecModule, memory.memory, memory.addresses);
      const dirty = new Uint32Array(memory.memory.buffer, layout.DIRTY, bitmapWords(memory));
      sampler = new PageSampler({ memory, codec, dirty, loadCompressors });
    }
    await sampler.load();
    if (performance.now() - lookedAtMs > SILENCE_MS) sampler.restart();
    lookedAtMs = performance.now();
    sampler.look(COMPRESSION.method, COMPRESSION.level);
    return sampler.shares;
  });
}
