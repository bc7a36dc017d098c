import { testExpectations } from './expectations.ts';

testExpectations('sev-es-debug');
