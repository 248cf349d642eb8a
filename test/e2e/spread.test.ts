import { spread } from './spread.js';

spread('on the PostgreSQL queue');
