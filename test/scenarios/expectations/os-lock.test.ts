import { testExpectations } from './expectations.ts';

testExpectations('os-lock');
