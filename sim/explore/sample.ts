/**
 * Sampling as people ask for it: the findings with their prices, and a text that claims no more
 * than a sample can.
 */
import { counted } from '../counted.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { weakestEvidence } from './covered/evidence.ts';
import { type Coverage, ledgerOf, localStatesOf } from './covered/ledger.ts';
import { coverageLines, reexecutionText } from './guarantee.ts';
import { Pricing } from './in-order/pricing.ts';
import { orderText } from './memory-order.ts';
import type { Deviations, Search } from './request.ts';
import type { DrawnBy, PctMeasure, SampleReport, SampleRequest } from './sampling/request.ts';
import { Sampler } from './sampling/sampler.ts';
import { byProperty } from './space/verdicts.ts';
import { reexecuting } from './turns.ts';

export interface SampledViolation extends Deviations {
  readonly property: string;
  readonly message: string;
  readonly steps: number;
  /** A sample never knows whether a smaller one exists. */
  readonly least: false;
  readonly labels: readonly string[];
  /** Number of the schedule, from 0; the seed of its own; who drew it. */
  readonly schedule: number;
  readonly seed: number;
  readonly by: DrawnBy;
  readonly depth: number | null;
  /** Schedules of the sample that broke it. */
  readonly broke: number;
}

/** The bound of `pct`, computed from what was measured. */
export interface PctBound extends PctMeasure {
  /** Least chance that one schedule meets a bug of that depth, and that the whole sample does. */
  readonly perSchedule: number;
  readonly overall: number;
}

export interface Sample extends Omit<SampleReport, 'findings' | 'pct'> {
  readonly violations: readonly SampledViolation[];
  readonly pct: PctBound | null;
  readonly guarantee: readonly string[];
  readonly localStates: Readonly<Record<string, number>>;
  readonly coverage: Coverage;
}

export function* sample(request: SampleRequest): Search<Sample> {
  const sampler = new Sampler(request);
  const { engine } = sampler.world;
  const { findings, pct, ...report } = yield* request.isTimed ? reexecuting(sampler.run(), engine) : sampler.run();
  const pricing = new Pricing(sampler.world);
  const violations = findings
    .map((finding): SampledViolation => {
      const price = pricing.priceOf(finding.labels);
      return { ...finding, ...price, steps: finding.labels.length, least: false };
    })
    .sort(byProperty);
  const bound = pct ? boundOf(pct, report.schedules) : null;
  const evidence = weakestEvidence(engine);
  const coverage = ledgerOf(request.scenario, sampler.world.engine).coverage(false);
  return {
    ...report,
    violations,
    pct: bound,
    guarantee: [
      ...sampleLines(request, report, violations),
      ...(bound ? boundLines(bound, report.schedules) : []),
      ...coverageLines(coverage),
      ...(evidence ? [`Weakest evidence: ${evidence.grade}, at ${evidence.step} (${evidence.source}).`] : []),
    ],
    localStates: localStatesOf(engine),
    coverage,
  };
}

/** `1 / (n k^(d-1))`, and `1 - (1 - p)^N` computed so that a small p does not vanish. */
export function boundOf(pct: PctMeasure, schedules: number): PctBound {
  const perSchedule = 1 / (Math.max(1, pct.entities) * pct.horizon ** (pct.depth - 1));
  return { ...pct, perSchedule, overall: -Math.expm1(schedules * Math.log1p(-perSchedule)) };
}

const number = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');
/** Three digits, as 0.0123 or 1.23e-7. */
const chance = (value: number): string => (value >= 0.001 ? String(Number(value.toPrecision(3))) : value.toExponential(2));

type Counts = Pick<SampleReport, 'unverified' | 'limit' | 'schedules' | 'steps' | 'states' | 'cut'>;

function sampleLines(request: SampleRequest, counts: Counts, violations: readonly SampledViolation[]): string[] {
  const { scenario, strategy, seed, stepsMax } = request;
  const { schedules, steps, states, cut, limit } = counts;
  const held = scenario.properties.always.filter((id) => !violations.some(({ property }) => property === id));
  const met = states === null ? 'too many different states to count' : `${number(states)} different states`;
  const verdict = held.length > 0 ? `Of these ${number(schedules)} schedules, none breaks ${held.join(', ')}.` : '';
  return [
    `${scenario.name}, variant ${scenario.variant}: ${number(schedules)} schedules drawn by ${strategy} from seed ${seed}, ${number(steps)} steps, ${met}.`,
    `${verdict}${verdict && ' '}A sample, no proof: the schedules that were not drawn may break anything.`,
    ...(schedules < request.schedules && limit === 'stopped' ? ['It was ended before its number of schedules was reached.'] : []),
    ...(cut > 0
      ? [`${number(cut)} schedules were cut after ${number(stepsMax)} steps: nothing is known of how they go on (--max-steps).`]
      : []),
    ...(violations.length === 0 && strategy !== 'portfolio' && schedules >= RULE_OF_THREE
      ? [`At 95 % confidence, ${strategy} draws a violation in fewer than one of ${number(Math.floor(schedules / 3))} schedules.`]
      : []),
    coverageLine(scenario, counts.unverified),
  ];
}

/** Fewest drawings for which 3 / N is the upper bound of a share that was not met. */
const RULE_OF_THREE = 30;

const coverageLine = (scenario: ResolvedScenario, unverified: number): string => {
  const { host, allow } = scenario;
  return `Drawn from: preemption model ${host.preemption}, ${counted(host.cpus, 'pCPU')}, kernel ${host.kernel}${allow.length ? `, ${allow.join(', ')} allowed` : ''}; ${orderText(scenario).drawn}; ${reexecutionText(unverified)}.`;
};

function boundLines({ depth, horizon, entities, decisions, beyond, perSchedule, overall }: PctBound, schedules: number): string[] {
  const formula = depth === 1 ? '1/n' : `1/(n k^${depth - 1})`;
  return [
    `pct: with n = ${number(entities)} entities and k = ${number(horizon)} decisions, one schedule meets a bug of depth ${depth} with a chance of at least ${formula} = ${chance(perSchedule)}, ${number(schedules)} schedules with at least ${chance(overall)}. That is for bugs that no waiting CPU and no more than a few returns of one preemption take part in (docs/large-spaces.md).`,
    ...(beyond > 0
      ? [
          `${number(beyond)} schedules had more than ${number(horizon)} decisions, up to ${number(decisions)}: the bound says nothing of bugs behind those; --horizon ${decisions} includes them.`,
        ]
      : []),
  ];
}
