/** `export`: a journal, or a recording of a real kernel, as a timeline for other tools. */
import { scenarioOf } from '../replay/model.ts';
import type { Journal } from '../replay/reader.ts';
import { EXPORTERS, type Exporter } from '../timeline/encode/index.ts';
import type { TimelineEvent } from '../timeline/event.ts';
import { besideTimeline } from '../trace/beside.ts';
import { type Plan, planOf } from '../trace/import/plan.ts';
import { ImportError } from '../trace/import/troupe.ts';
import type { Recording } from '../trace/recording.ts';
import { traceTimeline } from '../trace/timeline.ts';
import type { Call, Command } from './command.ts';
import { EXIT, usageError } from './errors.ts';
import { withJournal } from './journal-file.ts';
import { checkOutput, writeOutput } from './target.ts';
import { withJournalOrTrace } from './trace-file.ts';

const FORMATS = EXPORTERS.map(({ name }) => name);

interface Options {
  readonly format?: string;
  readonly output?: string;
  readonly beside?: string;
}

/**
 * A recording, and beside it the run that was imported from it: what the import meets is found
 * again, as it stands in no journal.
 */
function beside(recording: Recording, journal: Journal, file: string): Iterable<TimelineEvent> {
  const refuse = (why: string): never => {
    throw usageError(`${file} is not what ${recording.file} imports to: ${why}`, {
      expected: `a journal of worldswitch import ${recording.file}`,
      attempt: `worldswitch import ${recording.file} -o FILE, and then --beside FILE`,
    });
  };
  const { drive } = planFor(recording, journal, refuse);
  const labels = [...journal.choices()].map(({ label }) => label);
  const parts = drive.labels.findIndex((label, index) => labels[index] !== label);
  if (parts >= 0) refuse(`step ${parts + 1} is ${labels[parts] ?? 'not there'}`);
  return besideTimeline(recording, journal, drive.anchors);
}

/** The scenario of another recording may not even have its threads. */
function planFor(recording: Recording, journal: Journal, refuse: (why: string) => never): Plan {
  try {
    return planOf(recording, { scenario: scenarioOf(journal) });
  } catch (error) {
    if (error instanceof ImportError) return refuse(`${error.message}, and needed is ${error.expected}`);
    throw error;
  }
}

async function run(call: Call): Promise<number> {
  const { args, io, options } = call;
  const [file] = args as [string];
  const { format, output, beside: imported } = options as Options;
  const exporter = EXPORTERS.find(({ name }) => name === format);
  if (!exporter) throw usageError(`the format is missing; expected --format ${FORMATS.join(' or ')}`);
  if (output === undefined) throw usageError('where to write is missing; expected -o FILE, or -o - for standard output');
  return withJournalOrTrace(file, io, {
    journal: (journal) => {
      if (imported !== undefined) throw usageError(`${file} is a journal; expected a recording with --beside`);
      return write(call, exporter, exporter.encode(journal), journal);
    },
    recording: (recording) => {
      const of = (events: Iterable<TimelineEvent>) =>
        write(call, exporter, exporter.encodeEvents(events, recording.kernel), { lines: recording.lines.length });
      if (imported === undefined) return of(traceTimeline(recording));
      return withJournal(imported, io, (journal) => of(beside(recording, journal, imported)));
    },
  });
}

/** `counts`: of what the timeline is made of. */
function write(
  { io, out, json, options }: Call,
  { name: format }: Exporter,
  pieces: Iterable<Uint8Array>,
  counts: { readonly records: number; readonly steps: number } | { readonly lines: number },
): number {
  const { output = '-' } = options as Options;
  checkOutput(output, io, { json });
  const bytes = writeOutput(output, pieces, io);
  const made = 'lines' in counts ? { lines: counts.lines } : { records: counts.records, steps: counts.steps };
  if (json) out.json({ output, format, bytes, ...made });
  else if (output !== '-')
    out.line(`${output}: ${bytes} bytes, ${'lines' in counts ? `${counts.lines} lines` : `${counts.records} records`}`);
  return EXIT.ok;
}

export const COMMAND: Command = {
  operands: '<journal|recording>',
  details: [
    'The file is a journal, or a recording of a real kernel: text of ftrace, trace-cmd report, perf script or function_graph.',
    ...EXPORTERS.map(({ name, extension, summary }) => `${name} (.${extension}): ${summary}`),
  ],
  options: [
    { flags: '--format <name>', description: 'which tool is to read it', choices: FORMATS },
    { flags: '-o, --output <file>', description: 'where to; - for standard output' },
    { flags: '--beside <journal>', description: 'with a recording: the run that was imported from it, on the same lanes' },
  ],
  examples: [
    ['export run.wsj --format perfetto -o run.pftrace', 'open it in ui.perfetto.dev'],
    ['export run.wsj --format chrome -o - | gzip > run.json.gz', 'for chrome://tracing'],
    ['export trace.txt --format perfetto -o trace.pftrace', 'a recording of KVM on the same lanes'],
    ['export trace.txt --beside real.wsj --format perfetto -o both.pftrace', 'and the run that import made of it'],
  ],
  run,
};
