/** What was not sent as whole pages, or not beside everything else: what the means that cost the guest nothing have done. */
import type { MigrationView } from '#contracts';
import { bytes, plural } from '../parts/figures.js';
import { Fact } from '../parts/page.js';

const PAGE_BYTES = 4096;

export function NotSentWhole({ progress }: { progress: NonNullable<MigrationView['progress']> }) {
  const { savedPages = 0, xbzrle, compression, multifdBytes = 0 } = progress;
  return (
    <>
      {savedPages > 0 && (
        <Fact name="Saved">
          <span title="The destination had these pages from an earlier stay of the VM.">
            {plural(savedPages, 'page')}, {bytes(savedPages * PAGE_BYTES)}
          </span>
        </Fact>
      )}
      {xbzrle && (
        <Fact name="XBZRLE">
          <span
            title={`Only what had changed was sent of these; ${plural(xbzrle.misses, 'page')} were not in the cache.`}
          >
            {plural(xbzrle.pages, 'page')} as {bytes(xbzrle.bytes)} of deltas
          </span>
        </Fact>
      )}
      {compression && (
        <Fact name="Compression">
          {plural(compression.pages, 'page')}: {bytes(compression.pages * PAGE_BYTES)} as {bytes(compression.bytes)}
        </Fact>
      )}
      {multifdBytes > 0 && (
        <Fact name="multifd">
          <span title="Of what was sent, on connections for pages alone.">{bytes(multifdBytes)}</span>
        </Fact>
      )}
    </>
  );
}
