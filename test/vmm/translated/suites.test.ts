/** Tests of the hart once more, with everything translated. */
import './translate-everything.js';
import '../code.test.js';
import '../environment.test.js';
import '../memory.test.js';
import '../pmp.test.js';
import '../privilege.test.js';
