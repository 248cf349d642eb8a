/** The host's side of guest memory: pages that the guest has given up go back to the host's kernel. */
const MADV_DONTNEED = 4;
const WASM_PAGE = 65_536;

export interface HostMemory {
  /** Gives whole pages back (madvise(2)); they read as zero afterwards. False if the host cannot. */
  giveBack(bytes: Uint8Array): boolean;
  /** Why the host cannot; undefined if it can. */
  readonly refusal: string | undefined;
}

/**
 * Node.js has no call for madvise, so libc is called through koffi. Only Linux promises zeros for private memory; that
 * this process's memory is such is seen by trying.
 */
export async function openHostMemory(): Promise<HostMemory> {
  try {
    const { default: koffi } = await import('koffi');
    const madvise = koffi.load(null).func('int madvise(void *, size_t, int)') as Madvise;
    const giveBack = (bytes: Uint8Array) => madvise(bytes, bytes.length, MADV_DONTNEED) === 0;
    const probe = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
    const bytes = new Uint8Array(probe.buffer, 0, WASM_PAGE).fill(1);
    if (!giveBack(bytes) || bytes.some((byte) => byte !== 0)) throw new Error('madvise does not empty pages here');
    return { giveBack, refusal: undefined };
  } catch (error) {
    return { giveBack: () => false, refusal: (error as Error).message };
  }
}

type Madvise = (address: Uint8Array, length: number, advice: number) => number;
