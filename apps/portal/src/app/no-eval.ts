/** The controller forbids pages to make code from text; zod must not even try. To be imported before any schema. */
import { config } from 'zod';

config({ jitless: true });
