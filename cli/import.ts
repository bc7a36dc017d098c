/** `import`: a recording of a real kernel drives the simulated host; the run is a journal. */
import { PREEMPTION_MODELS } from '../events/options.ts';
import { dotted } from '../replay/schedule-text.ts';
import { KERNELS } from '../sim/scenario/schema.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { openSession } from '../sim/session.ts';
import type { HostFacts } from '../trace/import/derive.ts';
import { type Plan, planOf } from '../trace/import/plan.ts';
import { choicesOf } from '../trace/import/schedule.ts';
import { loadReference, resolved } from './catalog.ts';
import type { Call, Command } from './command.ts';
import { EXIT, usageError } from './errors.ts';
import { documentOf, outcomeOf, printImport } from './import-report.ts';
import type { Io } from './io.ts';
import { type Recorded, Recording } from './recording.ts';
import { checkOutput } from './target.ts';
import { openTrace } from './trace-file.ts';

interface ImportOptions extends Partial<HostFacts> {
  readonly scenario?: string;
  readonly output?: string;
}

/** The scenario that the user gives. */
function givenScenario({ scenario, arch, kernel, preemption }: ImportOptions, io: Io): ResolvedScenario | undefined {
  if (scenario === undefined) return undefined;
  const [other] = Object.entries({ arch, kernel, preemption }).find(([, value]) => value !== undefined) ?? [];
  if (other !== undefined)
    throw usageError(`--${other} and --scenario: a scenario says it itself`, { attempt: 'the same without one of them' });
  return resolved(loadReference(scenario, io).scenario, {});
}

/** Runs what was planned, as `run` does. */
async function record({ scenario, drive }: Plan, { output }: ImportOptions, io: Io): Promise<Recorded> {
  const choices = choicesOf(scenario, drive.labels);
  const recording = new Recording({ output, mode: 'buffered', io });
  const chooser = { name: 'replay', choices, match: 'strict' } as const;
  const { run, start } = openSession({ scenario, engine: 'memo', chooser, schedule: dotted(choices), sink: recording.sink });
  recording.begin(start);
  return recording.carry(run, choices.length);
}

async function run({ io, out, err, json, args, options: given }: Call): Promise<number> {
  const options = given as ImportOptions;
  const [file] = args as [string];
  if (options.output !== undefined) checkOutput(options.output, io, { json });
  const scenario = givenScenario(options, io);
  const trace = await openTrace(file, io);
  const { arch, kernel, preemption } = options;
  const plan = planOf(trace, { scenario, host: { ...(arch && { arch }), ...(kernel && { kernel }), ...(preemption && { preemption }) } });
  const recorded = await record(plan, options, io);
  try {
    if (json) out.json(documentOf(trace, plan, recorded));
    else printImport(options.output === '-' ? err : out, { trace, plan, recorded });
    const outcome = outcomeOf(plan, recorded);
    return outcome === 'whole' ? EXIT.ok : outcome === 'cannot' ? EXIT.broken : EXIT.partial;
  } finally {
    recorded.close();
  }
}

export const COMMAND: Command = {
  operands: '<trace>',
  details: [
    'TRACE is the text of ftrace, trace-cmd report or perf script, plain or packed by gzip, with sched_switch, kvm_entry and kvm_exit; docs/real-kernels.md has the commands that record one. - is standard input.',
    'Threads that run vCPUs are found by what they do. Without --scenario one is derived: a VM for each that was recorded, guests that exit as recorded, and on each CPU one thread that stands in for all others. With --scenario FILE its threads with KVM_RUN stand for the recorded ones, by name or in order, and those without for all others, in the order of the CPUs.',
    'Exit code 0 if the model could follow the recording to its last line; 1 if not: the first line that it cannot follow is told, with what it offers there. 4: events were lost, a line is not understood, or the recording is longer than a schedule or a scenario may be. The journal up to there is kept.',
  ],
  options: [
    { flags: '-o, --output <file>', description: 'the journal (default: ./worldswitch-runs/<run id>.wsj); - for standard output' },
    { flags: '--scenario <file>', description: 'the scenario to drive, instead of one that is derived' },
    { flags: '--arch <name>', description: 'the host (default: as the exits tell)', choices: ['amd', 'intel'] },
    { flags: '--kernel <version>', description: 'its kernel (default: as the recording tells)', choices: KERNELS.options },
    { flags: '--preemption <name>', description: 'its preemption model (default: as the recording tells)', choices: PREEMPTION_MODELS },
  ],
  examples: [
    ['import trace.txt -o real.wsj', 'then replay, show, inject, export'],
    ['import trace.gz --kernel 6.1 --preemption voluntary', 'of a host that the recording does not tell'],
    ['import - --json < trace.txt', 'with every choice that the recording left open'],
  ],
  run,
};
