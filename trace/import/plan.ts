/** A recorded schedule as a run: the scenario, the choices, and what was decided on the way. */
import { knownProperties } from '../../sim/properties/index.ts';
import { LIMITS } from '../../sim/scenario/fields.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { Recording } from '../recording.ts';
import { contradiction } from '../told.ts';
import { bounded } from './bound.ts';
import { type Cast, castOf } from './cast.ts';
import { type HostFacts, scenarioOf } from './derive.ts';
import { type Drive, Driver, STEPS_MAX, type Stop } from './driver.ts';
import { exitsOf } from './exits.ts';
import { type HostOf, hostOf } from './facts.ts';
import { type Needs, needsOf } from './need.ts';
import { Places } from './places.ts';
import { Player } from './player.ts';
import { ImportError, type Troupe, troupeOf } from './troupe.ts';
import { World } from './world.ts';

/** What a CPU does where an import has stopped, and what it could do next. */
export interface CpuAtStop {
  readonly cpu: string;
  /** Its thread and that one's next micro-step; null: it is idle. */
  readonly runs: string | null;
  /** Of the context there; none where the CPU switches threads or is idle. */
  readonly letter: string | null;
  readonly waiting: readonly string[];
  readonly offers: readonly string[];
}

export interface Plan {
  readonly cast: Cast;
  /** Null where the scenario was given. */
  readonly host: HostOf | null;
  readonly scenario: ResolvedScenario;
  readonly troupe: Troupe;
  readonly needs: Needs;
  readonly drive: Drive;
  /** By CPU, where the model could not go on. */
  readonly atStop: readonly CpuAtStop[];
  /** What other actors offered there, and messages that could be delivered. */
  readonly otherOffers: readonly string[];
}

export interface PlanOptions {
  /** The scenario to drive; else one is derived. */
  readonly scenario?: ResolvedScenario | undefined;
  readonly host?: Partial<HostFacts>;
}

/** A simulated host has no more CPUs, VMs, or vCPUs in each. */
function refuseTooMany({ file }: Recording, { cpus, threads }: Cast): void {
  const refuse = (what: string, count: number, max: number): void => {
    if (count > max) throw new ImportError(`${file}: there are ${count} ${what}`, `at most ${max}`);
  };
  refuse('CPUs on which vCPUs have run', cpus.length, LIMITS.cpus);
  refuse('VMs', Math.max(...threads.map(({ vm }) => vm)) + 1, LIMITS.vms);
  refuse('vCPUs of one VM', Math.max(...threads.map(({ vcpu }) => vcpu)) + 1, LIMITS.vcpus);
}

/** Offers of the stop by CPU, and those of all others. */
function offersAt(world: World, places: Places, { row }: Stop): Pick<Plan, 'atStop' | 'otherOffers'> {
  const all = world.movesIn(row, () => true);
  const atStop = world.cpus.map((cpu, index): CpuAtStop => {
    const { current, letter, waiting, state } = world.cpu(row, index);
    const offers = all.filter((move) => move.actor === cpu && !move.isDelivery).map(({ label }) => label);
    return { cpu, runs: current && places.nameOf(row, current), letter: state === 'task' ? letter : null, waiting, offers };
  });
  const otherOffers = all.filter(({ actor, isDelivery }) => isDelivery || !world.cpus.includes(actor)).map(({ label }) => label);
  return { atStop, otherOffers };
}

/**
 * A derived scenario computes without end: what follows the recording, where a choice is replaced,
 * is bounded.
 */
const withRoom = (scenario: ResolvedScenario, { labels }: Drive): ResolvedScenario => ({
  ...scenario,
  bounds: { ...scenario.bounds, steps: labels.length + STEPS_MORE },
});
const STEPS_MORE = 1_000;

/**
 * Drives a host through a recording.
 * @throws ImportError if the recording has no vCPU, or a given scenario does not fit
 */
export function planOf(recording: Recording, options: PlanOptions = {}): Plan {
  const cast = castOf(recording);
  if (cast.threads.length === 0)
    throw new ImportError(`${recording.file}: no thread runs a vCPU`, 'a recording with kvm_entry and kvm_exit; docs/real-kernels.md');
  refuseTooMany(recording, cast);
  const needs = bounded(needsOf(recording, cast));
  const exits = exitsOf(needs.needs, cast);
  const host = options.scenario ? null : hostOf(recording, cast, options.host ?? {});
  const given = options.scenario;
  const other = given && contradiction(recording, { arch: given.host.arch });
  if (other)
    throw new ImportError(
      `${recording.file} is of a host with ${other.told}; the scenario has ${other.asked}`,
      `a scenario of ${other.told} hosts`,
    );
  const scenario = given ?? resolveScenario(scenarioOf({ cast, exits, needs: needs.needs }, host!), { knownProperties: knownProperties() });
  const troupe = troupeOf(scenario, cast);
  const world = new World(scenario);
  const places = new Places(world, scenario);
  const player = new Player({ world, troupe, places, exits, needs: needs.needs, has: needs.has });
  const drive = new Driver(world, player).drive(needs.needs);
  const { tooLong } = drive;
  const gap = tooLong
    ? { line: tooLong.line, why: `the schedule has ${STEPS_MAX.toLocaleString('en')} steps, and may have no more` }
    : needs.gap;
  const offers = drive.stop ? offersAt(world, places, drive.stop) : { atStop: [], otherOffers: [] };
  return { cast, host, scenario: given ?? withRoom(scenario, drive), troupe, needs: { ...needs, gap }, drive, ...offers };
}
