import { join } from 'node:path';
import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

const root = import.meta.dirname;
const repository = join(root, '..', '..');

export default defineConfig({
  root,
  plugins: [react()],
  resolve: { alias: [{ find: /^#(contracts|client)$/, replacement: join(repository, 'libs', '$1', 'index.ts') }] },
  build: {
    outDir: join(repository, 'dist', 'portal'),
    emptyOutDir: true,
    target: 'es2023',
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 2000,
  },
  // `vite --config apps/portal/vite.config.ts` for work on the portal, beside a running controller.
  server: { proxy: { '/api': process.env.DROVER_URL ?? 'http://127.0.0.1:7410' } },
});
