/** The scenarios of split-lock detection do what they say. */
import { testExpectations } from './expectations.ts';

testExpectations('split-lock');
