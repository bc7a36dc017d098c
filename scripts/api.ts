/** `npm run api`: docs/api-report.md from what was built. */
import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { apiReport } from './api-report.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { text, unpromised } = await apiReport(root);
writeFileSync(join(root, 'docs', 'api-report.md'), text);
console.log('docs/api-report.md is written');
for (const place of unpromised) console.error(`${place} is exported; expected a comment that says what it is, with @public`);
process.exitCode = unpromised.length > 0 ? 1 : 0;
