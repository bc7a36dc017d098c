/** The scenarios of SEV-ES and its debugging do what they say. */
import { testExpectations } from './expectations.ts';

testExpectations('sev-es-debug');
