/** The scenarios of VMMs do what they say. */
import { testExpectations } from './expectations.ts';

testExpectations('user-vmm');
