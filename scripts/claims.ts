/** `npm run claims` writes docs/claims.json and docs/claims.md. */
import { writeFileSync } from 'node:fs';
import { claimFiles } from './claims-text.ts';

for (const [file, text] of Object.entries(claimFiles())) {
  writeFileSync(file, text);
  console.log(file);
}
