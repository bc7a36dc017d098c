/** The scenarios of the OS Lock do what they say. */
import { testExpectations } from './expectations.ts';

testExpectations('os-lock');
