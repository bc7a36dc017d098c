/** `conform`: holds recordings of real kernels against the model. */
import { didYouMean } from '../events/nearest.ts';
import { PREEMPTION_MODELS, type PreemptionModel } from '../events/options.ts';
import { VENDORS } from '../sim/host/vendors.ts';
import { KERNELS } from '../sim/scenario/schema.ts';
import type { Arch } from '../sim/scenario/types.ts';
import { Checker } from '../trace/conform/checker.ts';
import { HostModel, type RecordedHost } from '../trace/conform/host.ts';
import { MapError, type MapFile } from '../trace/conform/map.ts';
import { QuestionError } from '../trace/conform/moves.ts';
import type { RecordingReport, Verdict } from '../trace/conform/report.ts';
import { isAt, shownStep } from '../trace/conform/visible.ts';
import { type Recording, TraceError } from '../trace/recording.ts';
import { archOf, contradiction, kernelIn, notNewer, versionOf } from '../trace/told.ts';
import { loadReference, resolved } from './catalog.ts';
import { type Call, type Command, collect, SCENARIO_OPTIONS } from './command.ts';
import { reportText } from './conform-text.ts';
import { CliError, EXIT, usageError } from './errors.ts';
import { showProgress } from './output.ts';
import { openTrace } from './trace-file.ts';
import { mapFor, ownMaps, shippedMaps } from './trace-maps.ts';

interface Options {
  readonly scenario?: string;
  readonly variant?: string;
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly arch?: Arch;
  readonly kernel?: string;
  readonly preemption?: PreemptionModel;
  readonly map?: readonly string[];
}

/** What is known of the host before a recording is read. */
type Given = { readonly [K in keyof RecordedHost]?: RecordedHost[K] | undefined } & { readonly release?: string | undefined };

const EXITS: Readonly<Record<Verdict, number>> = { conforms: EXIT.ok, cannot: EXIT.broken, unknown: EXIT.partial };

/** Host options of a scenario; flags come before it. */
function givenOf({ scenario: reference, variant, set, mutant, arch, kernel, preemption }: Options, call: Call): Given {
  const flags = { arch, release: kernel, preemption, mutant };
  if (reference === undefined) {
    if (variant !== undefined || set !== undefined)
      throw usageError(`--${variant === undefined ? 'set' : 'variant'} says something of a scenario; expected --scenario with it`);
    return flags;
  }
  const { host } = resolved(loadReference(reference, call.io).scenario, { variant, set, mutant });
  const { features, options, haltPolling, rseq } = host;
  return {
    features,
    options,
    haltPolling,
    rseq,
    mutant,
    arch: arch ?? host.arch,
    release: kernel ?? host.kernel,
    preemption: preemption ?? host.preemption,
  };
}

/** Where nothing says more: kernels that tell an exit at different places, and what allows most. */
const ASSUMED = { releases: ['6.12', '6.1'], preemption: 'full' } as const;

interface Host extends RecordedHost {
  readonly release: string;
  /** What neither the recording nor the user says. */
  readonly assumed: readonly string[];
}

/** What the recording tells, else what the user says, else what is assumed. @throws CliError */
function hostOf(recording: Recording, given: Given, flags: Options, assumedRelease: string = ASSUMED.releases[0]): Host {
  const { file } = recording;
  refuseOther(recording, flags, given);
  const told = { arch: archOf(recording), release: recording.kernel, preemption: recording.preemption };
  const arch = told.arch ?? given.arch;
  if (arch === undefined)
    throw usageError(`${file} does not tell the architecture of its host`, {
      expected: '--arch',
      attempt: '--arch amd, or --scenario FILE with such a host',
    });
  const said = { release: told.release ?? given.release ?? kernelIn(recording), preemption: told.preemption ?? given.preemption };
  const release = said.release ?? assumedRelease;
  const preemption = said.preemption ?? ASSUMED.preemption;
  const assumed = [
    ...(said.release === null || said.release === undefined ? [`kernel ${release}`] : []),
    ...(said.preemption === undefined ? [`preemption ${preemption}`] : []),
  ];
  const kernel = notNewer(release, KERNELS.options);
  if (kernel === null)
    throw usageError(`${file}: kernel ${release}: no model of one that old; expected ${KERNELS.options[0]} or newer, such as 6.12`);
  const { features, options, haltPolling, rseq, mutant } = given;
  return {
    arch,
    kernel,
    preemption,
    release,
    assumed,
    ...(features && { features }),
    ...(options && { options }),
    ...(haltPolling !== undefined && { haltPolling }),
    ...(rseq !== undefined && { rseq }),
    ...(mutant !== undefined && { mutant }),
  };
}

/** @throws CliError if a flag, or the architecture of a scenario, contradicts the recording */
function refuseOther(recording: Recording, flags: Options, given: Given): void {
  const { file } = recording;
  const other = contradiction(recording, flags);
  if (other)
    throw usageError(`${file} is of a host with ${other.told}; ${other.flag} says ${other.asked}`, {
      expected: `${other.flag} ${other.told}, or nothing`,
    });
  const arch = contradiction(recording, { arch: given.arch });
  if (arch)
    throw usageError(`${file} is of a host with ${arch.told}; the scenario has ${arch.asked}`, {
      expected: `a scenario of ${arch.told} hosts`,
    });
}

/** Hosts and maps, each made once. */
class Checkers {
  readonly #made = new Map<string, Checker>();
  readonly #own: readonly MapFile[];
  constructor(own: readonly MapFile[]) {
    this.#own = own;
  }

  of({ release, assumed: _assumed, ...host }: Host): Checker {
    const map = mapFor(VENDORS[host.arch].name, release, this.#own);
    const key = JSON.stringify([host.arch, host.kernel, host.preemption, map.files]);
    let checker = this.#made.get(key);
    if (checker === undefined) {
      const model = new HostModel(host);
      checkPlaces(this.#own, model);
      checker = new Checker(model, map);
      this.#made.set(key, checker);
    }
    return checker;
  }
}

/** @throws MapError if a file of the user's own names what this host does not have */
function checkPlaces(own: readonly MapFile[], model: HostModel): void {
  const steps = model.steps();
  for (const { file, functions, events, schedules } of own) {
    const meant = [...(functions ?? []), ...(events ?? [])].map(
      ([name, { at, after, returns }]) => [name, [...at, ...after, ...returns]] as const,
    );
    for (const [name, places] of [...meant, ['schedules', schedules ?? []] as const]) {
      const wrong = places.find((place) => !steps.some((step) => isAt(step, place)));
      if (wrong === undefined) continue;
      const names = steps.map(shownStep);
      throw new MapError(`${file}: ${name}: found ${wrong}; expected a micro-step of the thread on this host${didYouMean(wrong, names)}`);
    }
  }
}

const withoutVcpus = (file: string): CliError =>
  new CliError({
    code: 'no_recording',
    exit: EXIT.usage,
    message: `${file} has no vCPU thread: no kvm_entry, no kvm_exit, no KVM_RUN`,
    expected: 'a recording with the events of kvm, or with functions of the run loop',
    attempt: 'docs/real-kernels.md has the commands that record one',
  });

function held(recording: Recording, checker: Checker, call: Call): RecordingReport {
  try {
    const report = checker.check(recording, (lines, of) =>
      showProgress(call.io.err, `  ${recording.file}: line ${lines.toLocaleString('en')} of ${of.toLocaleString('en')}`),
    );
    if (report.threads.length === 0) throw withoutVcpus(recording.file);
    return report;
  } catch (error) {
    if (error instanceof TraceError) {
      const { message, expected, attempt } = error;
      throw new CliError({ code: 'recording_unreadable', exit: EXIT.usage, message, expected, attempt });
    }
    if (!(error instanceof QuestionError)) throw error;
    throw new CliError({
      code: 'unanswered',
      exit: EXIT.usage,
      message: `${recording.file}: the model cannot be played alone: ${error.message}`,
      expected: 'paths of a vCPU thread that ask what KVM and the scheduler answer',
      attempt: 'without --models, or with another mechanism',
    });
  } finally {
    showProgress(call.io.err, '');
  }
}

/** Of two kernels that are possible, the one that the recording can be of. */
function heldAsAssumed(recording: Recording, hostWith: (release: string) => Host, checkers: Checkers, call: Call) {
  const tried = ASSUMED.releases.map(hostWith);
  const hosts = tried.filter((host, index) => tried.findIndex(({ release }) => release === host.release) === index);
  let first: { readonly report: RecordingReport; readonly host: Host } | undefined;
  for (const host of hosts) {
    const report = held(recording, checkers.of(host), call);
    if (report.verdict !== 'cannot') return { report, host };
    first ??= { report, host };
  }
  return first!;
}

async function run(call: Call): Promise<number> {
  const options = call.options as Options;
  if (options.kernel !== undefined && versionOf(options.kernel) === null)
    throw usageError(`--kernel ${options.kernel}: expected a release of the kernel, such as 6.12`);
  const given = givenOf(options, call);
  const checkers = new Checkers(ownMaps(options.map ?? [], call.io));
  const reports: (RecordingReport & Pick<Host, 'assumed'>)[] = [];
  for (const name of call.args) {
    const recording = await openTrace(name, call.io);
    const { report, host } = heldAsAssumed(recording, (release) => hostOf(recording, given, options, release), checkers, call);
    if (host.assumed.length > 0) call.err.line(`${name} does not tell all of its host; assumed: ${host.assumed.join(', ')}`);
    reports.push({ ...report, assumed: host.assumed });
  }
  const verdicts = reports.map(({ verdict }) => verdict);
  const verdict = verdicts.find((one) => one === 'cannot') ?? verdicts.find((one) => one === 'unknown') ?? 'conforms';
  if (call.json) call.out.json({ verdict, recordings: reports });
  else reportText(call.out, reports);
  return EXITS[verdict];
}

export const COMMAND: Command = {
  operands: '<trace...>',
  details: [
    'Each vCPU thread of a recording is walked through the KVM_RUN of the model: the order of micro-steps, their contexts, and where a thread loses its CPU. `cannot` is a line that the model has no way to; `unknown` means that nothing was refuted, and that a part of the recording says nothing. `-` is standard input.',
    'What a recording tells of its host counts: function_graph names kernel and preemption model. The rest comes from --scenario, or from --arch, --kernel and --preemption; else the kernel by how it tells exits, and `full`, which allows most.',
    `Shipped maps: ${shippedMaps().join(', ')}. docs/real-kernels.md has their format, and how to record.`,
    'Exit code 0 if all conform, 1 if a recording cannot be, 4 if nothing was refuted and something is unknown.',
  ],
  options: [
    { flags: '--scenario <scenario>', description: 'take the host from a scenario: its kernel, preemption model, options' },
    ...SCENARIO_OPTIONS,
    { flags: '--arch <name>', description: 'the host, where a recording does not tell', choices: Object.keys(VENDORS) },
    { flags: '--kernel <release>', description: 'its kernel, such as 6.12' },
    { flags: '--preemption <model>', description: 'its preemption model', choices: PREEMPTION_MODELS },
    {
      flags: '--map <file>',
      description: 'add to the map of the kernel, or replace entries of it; may be repeated',
      parse: collect,
      repeats: true,
    },
  ],
  examples: [
    ['conform trace.txt --kernel 6.12 --preemption full', 'a recording of ftrace, trace-cmd report or perf script'],
    ['conform fg-*.gz --json', 'several recordings of function_graph, for programs'],
    ['conform trace.txt --scenario mine.yaml --models mine.ts --map mine-map.yaml', 'against paths of your own'],
  ],
  run,
};
