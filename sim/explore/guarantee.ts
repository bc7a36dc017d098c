/** The guarantee: what a search has shown, in words that claim no more than it did. */
import { counted } from '../counted.ts';
import { DEADLOCK } from '../end.ts';
import type { PlainWorld } from '../restore.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { Evidence } from './covered/evidence.ts';
import { countsText } from './covered/holes.ts';
import type { Coverage } from './covered/ledger.ts';
import { orderText } from './memory-order.ts';
import type { ClassFacts, Limits } from './request.ts';

export interface GuaranteeFacts {
  readonly scenario: ResolvedScenario;
  readonly exhausted: boolean;
  /** In words: `all schedules`, `all schedules with at most 2 deviations`. */
  readonly bound: string;
  readonly limit: string | null;
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  /** Some states were counted more than once. */
  readonly atMost?: true;
  /** States that fingerprints are expected to have hidden; absent where states were exact. */
  readonly omissions?: number;
  /**
   * How often a state was gone through in a local step, and not kept; absent where all are kept.
   */
  readonly passed?: number;
  readonly classes?: ClassFacts;
  /** Reactions that are remembered and were not executed again, as time was over. */
  readonly unverified?: number;
  readonly violated: readonly string[];
  /** `eventually` properties, and `deadlock`, that this search does not decide. */
  readonly undecided: readonly string[];
  /** Offers that were taken as owed, and whose; absent where liveness is not decided. */
  readonly owed?: readonly string[];
  readonly evidence: Evidence | null;
  readonly coverage: Coverage;
}

/** The schedules that a search covers, in words. */
export const boundText = ({ deviations, preemptions, switches }: Limits, from: PlainWorld | undefined): string => {
  const parts = [
    ...(deviations === undefined ? [] : [counted(deviations, 'deviation')]),
    ...(preemptions === undefined ? [] : [counted(preemptions, 'preemption')]),
    ...(switches === undefined ? [] : [counted(switches, 'switch', 'switches')]),
  ];
  const which = from && from.step > 0 ? `all schedules from step ${from.step} on` : 'all schedules';
  return parts.length ? `${which} with at most ${parts.join(' and ')}` : which;
};

const number = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** What some schedules do, where nothing else is to be said. */
const tellBroken = (violated: readonly string[]): string => {
  const broken = violated.filter((id) => id !== DEADLOCK);
  const parts = [...(broken.length > 0 ? [`break ${broken.join(', ')}`] : []), ...(broken.length < violated.length ? ['deadlock'] : [])];
  return parts.length > 0 ? parts.join(' and ') : 'were not looked at for deadlocks';
};

/** How states were told from each other. */
const vectorsText = (omissions: number | undefined): string =>
  omissions === undefined ? 'exact state vectors' : `64-bit fingerprints of states (expected omissions ${omissions.toExponential(1)})`;

/** The host, and what is allowed in it; a model of its own has none. */
function hostText(scenario: ResolvedScenario): string {
  const { model, host, allow } = scenario;
  if (model !== undefined) return '';
  const allowed = allow.length > 0 ? `, ${allow.join(', ')} allowed` : '';
  return `preemption model ${host.preemption}, ${counted(host.cpus, 'pCPU')}, kernel ${host.kernel}${allowed}${orderText(scenario).covered}; `;
}

/** What a state stands for, where it stands for several. */
const classesText = ({ configurations, classes, renamed }: ClassFacts): string =>
  `Scheduler classes: a state stands for all configurations of the scheduler that follow without a step of a program${renamed > 1 ? `, and for those that differ by a renaming of CPUs, up to ${renamed}` : ''}; ${number(configurations)} configurations in ${number(classes)} classes; every reaction to the scheduler held against all programs it was met with.`;

/** Whether what a search remembered was executed again. */
export const reexecutionText = (unverified = 0): string =>
  unverified === 0 ? 'every reaction re-executed' : `${number(unverified)} reactions not re-executed, as time was over`;

/** Whether what follows a violation was left out: a lasso ends no schedule. */
export const endsRuns = (violated: readonly string[], { properties }: ResolvedScenario): boolean =>
  violated.some((id) => !properties.eventually.includes(id));

/** What was not taken, as far as it is known. */
export const untakenText = (isWhole: boolean): string => (isWhole ? 'Never taken' : 'Not taken in what was searched');

/** What a verdict says nothing about, since it never happened. */
export const coverageLines = ({ whole, impossible, neverTaken }: Coverage): string[] => [
  ...(impossible.length > 0 ? [`Could not happen: ${impossible.join('; ')}.`] : []),
  ...(neverTaken.length > 0 ? [`${untakenText(whole)}: ${countsText(neverTaken)}. A mistake there is not seen.`] : []),
];

/** The guarantee as lines. */
export function guaranteeLines(facts: GuaranteeFacts): string[] {
  const { scenario, exhausted, bound, limit, states, transitions, unchanged, violated, undecided, evidence } = facts;
  const held = scenario.properties.always.filter((id) => !violated.includes(id));
  const space = `${facts.atMost ? 'at most ' : ''}${number(states)} states, ${number(transitions)} transitions, ${number(unchanged)} steps that change nothing`;
  // What follows after a property has broken is not looked at, so that nothing is said of it.
  const noDeadlock = violated.length === 0 && !undecided.includes(DEADLOCK);
  const shown = [...(held.length > 0 ? [`none breaks ${held.join(', ')}`] : []), ...(noDeadlock ? ['none deadlocks'] : [])];
  const unnamed = scenario.properties.always.length === 0 ? '; the scenario has no property that must always hold' : '';
  const verdict = exhausted
    ? `Of ${bound}, ${shown.length > 0 ? shown.join(', and ') : `some ${tellBroken(violated)}`}${unnamed}.`
    : `The search ended early (${limit ?? 'interrupted'}): what it did not reach may break anything.`;
  const kept = scenario.properties.eventually.filter((id) => !violated.includes(id) && !undecided.includes(id));
  const fair =
    kept.length > 0
      ? [
          `Of the fair ones among them, none breaks ${kept.join(', ')}. Owed: ${[...(facts.owed ?? []), 'deliveries'].join('; ')}. Nothing else has to happen.`,
        ]
      : [];
  const owed = undecided.filter((id) => id !== DEADLOCK);
  const liveness = owed.length > 0 ? `liveness (${owed.join(', ')}), ` : scenario.properties.eventually.length === 0 ? 'liveness, ' : '';
  const deadlocks = undecided.includes(DEADLOCK) ? 'deadlocks, ' : '';
  return [
    `${scenario.name}, variant ${scenario.variant}: ${space}.`,
    ...(facts.passed === undefined
      ? []
      : [`Local steps ran on: ${number(facts.passed)} times a state in which one thing only could happen was gone through and not kept.`]),
    ...(facts.classes === undefined ? [] : [classesText(facts.classes)]),
    verdict,
    ...fair,
    `Covered: ${exhausted ? bound : 'the states found so far'}; ${hostText(scenario)}${vectorsText(facts.omissions)}, ${reexecutionText(facts.unverified)}.`,
    ...coverageLines(facts.coverage),
    `Not covered: ${endsRuns(violated, scenario) ? 'what follows after a property has broken, ' : ''}${orderText(scenario).notCovered}, ${deadlocks}${liveness}other programs than the scenario's, what docs/fidelity.md leaves out.`,
    ...(evidence ? [`Weakest evidence: ${evidence.grade}, at ${evidence.step} (${evidence.source}).`] : []),
  ];
}
