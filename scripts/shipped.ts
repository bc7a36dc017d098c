/** `npm run shipped` writes docs/shipped.md. */
import { writeFileSync } from 'node:fs';
import { SHIPPED_DOCUMENT, shippedText } from './shipped-text.ts';

writeFileSync(SHIPPED_DOCUMENT, shippedText());
console.log(SHIPPED_DOCUMENT);
