import { testExpectations } from './expectations.ts';

testExpectations('user-vmm');
