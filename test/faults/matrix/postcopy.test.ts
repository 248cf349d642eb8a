import { testWholeMatrix } from '../engine-tests.js';

testWholeMatrix('postcopy');
