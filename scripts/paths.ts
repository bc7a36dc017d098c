/** `npm run paths` writes docs/paths.md. */
import { writeFileSync } from 'node:fs';
import { PATHS_DOCUMENT, pathsText } from './paths-text.ts';

writeFileSync(PATHS_DOCUMENT, pathsText());
console.log(PATHS_DOCUMENT);
