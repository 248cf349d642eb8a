import { testWholeMatrix } from '../engine-tests.js';

testWholeMatrix('multifd');
