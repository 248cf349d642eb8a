import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The project's folder, from its sources (tests) as from dist/. */
const folder = join(import.meta.dirname, '..', '..');
const root = folder.endsWith('/dist') ? join(folder, '..') : folder;

/** Of this controller. */
export const { version: VERSION } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
