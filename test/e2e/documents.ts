/**
 * Programs in documents: every block of `ts` and `js`, and what the document says that each prints.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './packed.ts';

export interface Program {
  /** The document and the line of the program in it. */
  readonly place: string;
  readonly language: 'ts' | 'js';
  readonly text: string;
  /** The `text` block right behind it; null where there is none. */
  readonly output: string | null;
}

const BLOCK = /^```(?<language>ts|js)\n(?<text>[\s\S]*?)^```\n(?:\n```text\n(?<output>[\s\S]*?)^```\n)?/gm;

export function programsOf(document: string): readonly Program[] {
  const whole = readFileSync(join(ROOT, document), 'utf8');
  return [...whole.matchAll(BLOCK)].map(({ index, groups }) => {
    const { language, text, output } = groups as { language: Program['language']; text: string; output?: string };
    return { place: `${document}:${whole.slice(0, index).split('\n').length + 1}`, language, text, output: output ?? null };
  });
}

/** Puts what a program prints into its document. */
export function show({ place, text, output }: Program, printed: string): void {
  const path = join(ROOT, place.split(':')[0]!);
  const block = (shown: string | null): string => `${text}\`\`\`\n\n\`\`\`text\n${shown}\`\`\`\n`;
  writeFileSync(
    path,
    readFileSync(path, 'utf8').replace(block(output), () => block(printed)),
  );
}
