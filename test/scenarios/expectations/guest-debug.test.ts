import { testExpectations } from './expectations.ts';

testExpectations('guest-debug');
