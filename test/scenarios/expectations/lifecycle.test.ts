/** The scenarios of things that come and go do what they say. */
import { testExpectations } from './expectations.ts';

testExpectations('lifecycle');
