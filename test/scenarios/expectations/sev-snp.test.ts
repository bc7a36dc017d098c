/** The scenarios of SEV-SNP do what they say. */
import { testExpectations } from './expectations.ts';

testExpectations('sev-snp');
