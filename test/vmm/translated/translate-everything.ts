/** Imported first, this makes all machines of a test file translate whatever they jump to. */
import { translateEverything } from '../machine.js';

translateEverything();
