import { testWholeMatrix } from '../engine-tests.js';

testWholeMatrix('compression');
