import { testExpectations } from './expectations.ts';

testExpectations('split-lock');
