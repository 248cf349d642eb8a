import { testWholeMatrix } from '../engine-tests.js';

testWholeMatrix('plain');
