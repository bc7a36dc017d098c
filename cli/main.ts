#!/usr/bin/env node
/** The `worldswitch` program. The version is answered before anything else is loaded. */
import { writeSync } from 'node:fs';
import { VERSION_FLAGS, versionDocument, versionText } from './version.ts';

const argv = process.argv.slice(2);

/** The answer to a question for the version; null for any other command line. */
function versionAnswer([first = '', second, ...rest]: readonly string[]): string | null {
  if (!VERSION_FLAGS.includes(first) || rest.length > 0) return null;
  if (second === undefined) return versionText();
  return second === '--json' ? JSON.stringify(versionDocument(), null, 2) : null;
}

/** Whether standard output took all of it; the way of all commands tells why if it did not. */
function isWritten(answer: string): boolean {
  const line = `${answer}\n`;
  try {
    return writeSync(1, line) === line.length;
  } catch {
    return false;
  }
}

const answer = versionAnswer(argv);
if (answer === null || !isWritten(answer)) {
  const { optimizeLater } = await import('./optimizing.ts');
  optimizeLater();
  const { processIo } = await import('./io.ts');
  const { runCli } = await import('./program.ts');
  process.exitCode = await runCli(argv, processIo());
}
