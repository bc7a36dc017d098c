/** `export`: a journal as a timeline for other tools. */
import { EXPORTERS } from '../timeline/encode/index.ts';
import type { Call, Command } from './command.ts';
import { EXIT, usageError } from './errors.ts';
import { withJournal } from './journal-file.ts';
import { checkOutput, writeOutput } from './target.ts';

const FORMATS = EXPORTERS.map(({ name }) => name);

function run({ io, out, json, args, options }: Call): Promise<number> {
  const [file] = args as [string];
  const { format, output } = options as { readonly format?: string; readonly output?: string };
  const exporter = EXPORTERS.find(({ name }) => name === format);
  if (!exporter) throw usageError(`the format is missing; expected --format ${FORMATS.join(' or ')}`);
  if (output === undefined) throw usageError('where to write is missing; expected -o FILE, or -o - for standard output');
  return withJournal(file, io, (journal) => {
    checkOutput(output, io, { json });
    const bytes = writeOutput(output, exporter.encode(journal), io);
    if (json) out.json({ output, format, bytes, records: journal.records, steps: journal.steps });
    else if (output !== '-') out.line(`${output}: ${bytes} bytes, ${journal.records} records`);
    return EXIT.ok;
  });
}

export const COMMAND: Command = {
  operands: '<journal>',
  details: EXPORTERS.map(({ name, extension, summary }) => `${name} (.${extension}): ${summary}`),
  options: [
    { flags: '--format <name>', description: 'which tool is to read it', choices: FORMATS },
    { flags: '-o, --output <file>', description: 'where to; - for standard output' },
  ],
  examples: [
    ['export run.wsj --format perfetto -o run.pftrace', 'open it in ui.perfetto.dev'],
    ['export run.wsj --format chrome -o - | gzip > run.json.gz', 'for chrome://tracing'],
  ],
  run,
};
