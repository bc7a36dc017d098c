#!/usr/bin/env node
/** The `worldswitch` program. The version is answered before anything else is loaded. */
import { VERSION_FLAGS, versionDocument, versionText } from './version.ts';

const argv = process.argv.slice(2);

if (argv.length === 1 && VERSION_FLAGS.includes(argv[0]!)) {
  process.stdout.write(`${versionText()}\n`);
} else if (argv.length === 2 && VERSION_FLAGS.includes(argv[0]!) && argv[1] === '--json') {
  process.stdout.write(`${JSON.stringify(versionDocument(), null, 2)}\n`);
} else {
  const { optimizeLater } = await import('./optimizing.ts');
  optimizeLater();
  const { processIo } = await import('./io.ts');
  const { runCli } = await import('./program.ts');
  process.exitCode = await runCli(argv, processIo());
}
