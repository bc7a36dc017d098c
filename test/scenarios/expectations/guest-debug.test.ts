/** The scenarios of guest debugging do what they say. */
import { testExpectations } from './expectations.ts';

testExpectations('guest-debug');
