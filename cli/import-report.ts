/** What is said about an imported recording: as a document, and as text. */
import { counted } from '../sim/counted.ts';
import { type ChoiceKind, RULES } from '../trace/import/choices.ts';
import type { Plan } from '../trace/import/plan.ts';
import type { Recording as Trace } from '../trace/recording.ts';
import { type Printer, styled } from './output.ts';
import type { Recorded } from './recording.ts';
import { printJournal, runDocument } from './report.ts';

export type ImportOutcome = 'whole' | 'cannot' | 'unknown';

/** A run that ends before its schedule does has broken a property of the scenario. */
export function outcomeOf({ drive, needs }: Plan, { end, steps }: Recorded): ImportOutcome {
  if (drive.stop !== null || end.violation !== null) return 'cannot';
  return needs.gap !== null || steps < drive.labels.length ? 'unknown' : 'whole';
}

const sum = (counts: ReadonlyMap<unknown, number>): number => [...counts.values()].reduce((a, b) => a + b, 0);

function counts({ drive }: Plan): [ChoiceKind, number][] {
  const found = new Map<ChoiceKind, number>();
  for (const { kind } of drive.choices) found.set(kind, (found.get(kind) ?? 0) + 1);
  return [...found].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
}

const threadsOf = ({ cast, troupe }: Plan) =>
  cast.threads.map(({ pid, comm }, index) => ({ pid, comm, thread: troupe.vcpus[index]!.thread, vcpu: troupe.vcpus[index]!.vcpu }));
const cpusOf = ({ cast, troupe }: Plan) => cast.cpus.map((cpu, index) => ({ cpu, pcpu: `pcpu:${index}`, others: troupe.rest[index]! }));

/** The one JSON document. */
export function documentOf(trace: Trace, plan: Plan, recorded: Recorded) {
  const { needs, drive, host, scenario, atStop, otherOffers } = plan;
  const { stop } = drive;
  const { arch, kernel, preemption } = scenario.host;
  return {
    recording: trace.file,
    format: trace.format,
    outcome: outcomeOf(plan, recorded),
    host: { arch, kernel, preemption, assumed: host?.assumed ?? [] },
    threads: threadsOf(plan),
    cpus: cpusOf(plan),
    lines: needs.needs.length,
    met: Object.fromEntries(drive.met),
    passed: Object.fromEntries(needs.passed),
    stop: stop && { line: stop.need.line, text: stop.need.text, why: stop.why, cpus: atStop, others: otherOffers },
    gap: needs.gap,
    choices: { rules: RULES, counts: Object.fromEntries(counts(plan)), list: drive.choices },
    run: runDocument(recorded),
  };
}

const WORDS: Readonly<Record<string, string>> = {
  switch: 'switches',
  wake: 'wake-ups',
  migrate: 'migrations',
  entry: 'entries',
  exit: 'exits',
  'user-exit': 'ends of KVM_RUN',
  run: 'calls of KVM_RUN',
  return: 'returns',
  irq: 'interrupts',
  signal: 'signals',
  store: 'times that immediate_exit was set',
  flush: 'requests to all vCPUs',
  vain: 'wake-ups for nothing',
};

interface Imported {
  readonly trace: Trace;
  readonly plan: Plan;
  readonly recorded: Recorded;
}

function printWho(printer: Printer, { trace, plan }: Imported): void {
  const { arch, kernel, preemption } = plan.scenario.host;
  const { assumed = [] } = plan.host ?? {};
  printer.line(styled('bold', trace.file), `: ${arch}, kernel ${kernel}, preemption ${preemption}`);
  if (assumed.length > 0) printer.line(styled('dim', `  assumed, as the recording does not tell: ${assumed.join(', ')}`));
  for (const { pid, comm, thread, vcpu } of threadsOf(plan)) printer.line(`  ${comm}-${pid} is ${thread}, which runs ${vcpu}`);
  for (const { cpu, pcpu, others } of cpusOf(plan)) printer.line(`  CPU ${cpu} is ${pcpu}; all others there are ${others}`);
}

function printEnd(printer: Printer, { trace, plan, recorded }: Imported): void {
  const { needs, drive, atStop, otherOffers } = plan;
  const met = sum(drive.met);
  const of = `${met} of ${counted(needs.needs.length, 'line')} that ask for something`;
  const { stop } = drive;
  const { violation } = recorded.end;
  if (violation) {
    printer.line(styled('red', `Broken: ${violation.property}`), ` after ${counted(violation.step, 'step')}: the run ends there`);
    printer.line(`  ${violation.message}`);
  } else if (stop) {
    printer.line(styled('red', 'Stopped'), `: ${trace.file}:${stop.need.line}, after ${of}`);
    printer.line(`  ${stop.need.text}`);
    printer.line(`  ${stop.why}`);
    for (const { cpu, runs, letter, waiting, offers } of atStop) {
      const at = runs === null ? 'is idle' : `runs ${runs}${letter === null ? '' : `, letter ${letter}`}`;
      printer.line(`  ${cpu} ${at}; waiting: ${waiting.join(', ') || 'none'}`);
      printer.line(`    offers: ${offers.join(', ') || 'none'}`);
    }
    printer.line(`  others: ${otherOffers.join(', ') || 'none'}`);
  } else if (needs.gap) {
    printer.line(styled('yellow', 'Unknown'), ` from ${trace.file}:${needs.gap.line} on: ${needs.gap.why}; up to there ${of}`);
  } else printer.line(styled('green', 'Whole'), `: ${of}, in ${counted(recorded.steps, 'step')}`);
  printer.line(`  ${[...drive.met].map(([type, count]) => `${WORDS[type]} ${count}`).join(', ')}`);
}

export function printImport(printer: Printer, imported: Imported): void {
  printWho(printer, imported);
  printer.line();
  printEnd(printer, imported);
  const decided = counts(imported.plan);
  if (decided.length > 0) printer.line('  decided by a rule, where the recording does not say (--json lists each):');
  for (const [kind, count] of decided) {
    printer.line(`  ${String(count).padStart(6)}  ${kind}`);
    printer.line(`          ${RULES[kind]}`);
  }
  printer.line();
  printJournal(printer, imported.recorded, null);
}
