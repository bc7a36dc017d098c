import { testExpectations } from './expectations.ts';

testExpectations('sev-snp');
