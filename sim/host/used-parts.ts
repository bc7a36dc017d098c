/**
 * What the primitives bring that mechanisms use: their actors and machines. Several mechanisms may
 * use one primitive, as it is the same wherever it stands.
 */
import type { AnyStateMachine } from 'xstate';
import type { HostEnv } from '../../actors/host/host-env.ts';
import { instancesOf, type Part, type Primitive } from '../../actors/kit/primitive.ts';
import type { ActorId } from '../../events/event.ts';
import { alwaysEach, type Property } from '../property.ts';
import { shown } from '../scenario/issues.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { ActorSpec } from '../store.ts';
import { type Mechanism, MechanismError } from './mechanism.ts';
import { nameOf } from './merged.ts';
import { mechanismsOf } from './registry.ts';

/** A part with the mechanism that uses it. */
interface Used {
  readonly part: Part;
  readonly owner: Mechanism;
}

/** The primitives of a mechanism in this scenario. @throws MechanismError where one is none */
function primitivesOf(mechanism: Mechanism, scenario: ResolvedScenario): readonly Primitive[] {
  const { uses = [] } = mechanism;
  const used: unknown = typeof uses === 'function' ? uses(scenario) : uses;
  const isPrimitive = (one: unknown): one is Primitive => Array.isArray((one as Partial<Primitive> | null)?.parts);
  if (!Array.isArray(used) || !used.every(isPrimitive))
    throw new MechanismError(
      `${nameOf(mechanism)}: uses: expected a list of primitives, such as cell() or mutex() of worldswitch/kit gives`,
    );
  return used;
}

/** What a primitive may be called: ids of its actors begin so. */
const KIND = /^[A-Za-z][\w-]{0,63}$/;

/**
 * Each part once, in the order in which mechanisms use them.
 * @throws MechanismError if two parts have one kind
 */
export function partsIn(scenario: ResolvedScenario): readonly Used[] {
  const byKind = new Map<string, Used>();
  for (const owner of mechanismsOf(scenario.host.arch)) {
    for (const part of primitivesOf(owner, scenario).flatMap(({ parts }) => parts)) {
      if (!KIND.test(part.kind))
        throw new MechanismError(`${nameOf(owner)}: uses: found a primitive called ${shown(part.kind)}; expected letters, digits, _ and -`);
      const other = byKind.get(part.kind);
      if (other !== undefined && other.part !== part)
        throw new MechanismError(
          `${nameOf(owner)}: uses: ${part.kind} is a primitive of ${other.owner === owner ? 'its own' : nameOf(other.owner)} already; expected another name`,
        );
      if (other === undefined) byKind.set(part.kind, { part, owner });
    }
  }
  return [...byKind.values()];
}

const idOf = (kind: string, breach: string): string =>
  `${kind.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replaceAll(/[^a-z0-9-]+/g, '-')}.${breach}`;

const breachesOf = ({ kind, breaches = [] }: Part): readonly Property[] =>
  breaches.map(({ id, source, grade, each }) =>
    alwaysEach<never>(idOf(kind, id), { kind, source, grade, each: ({ context, id: actor }) => each(context, actor) }),
  );

/**
 * What primitives bring of properties: a mechanism that uses them has these among its own.
 * @public
 */
export const propertiesOf = (primitives: readonly Primitive[]): readonly Property[] =>
  primitives.flatMap(({ parts }) => parts.flatMap(breachesOf));

/**
 * The scenario with what its primitives ask for, named or not.
 * @throws MechanismError if a mechanism does not bring such a property
 */
export function withBreaches(scenario: ResolvedScenario): ResolvedScenario {
  if (scenario.model !== undefined) return scenario;
  const asked = partsIn(scenario).flatMap(({ part, owner }) => breachesOf(part).map(({ id }) => ({ id, part, owner })));
  for (const { id, part, owner } of asked)
    if (!mechanismsOf(scenario.host.arch).some(({ properties = [] }) => properties.some((property) => property.id === id)))
      throw new MechanismError(
        `${nameOf(owner)}: uses: ${part.kind} has the property ${id}; expected propertiesOf() of its primitives among properties, as race() has them`,
      );
  const { properties } = scenario;
  const always = [...new Set([...properties.always, ...asked.map(({ id }) => id)])];
  return asked.length === 0 ? scenario : { ...scenario, properties: { ...properties, always } };
}

/** The actors of these parts, in slot order. */
export function actorsOf(used: readonly Used[], { host, vms }: ResolvedScenario): readonly ActorSpec[] {
  const shape = { cpus: host.cpus, vms: vms.map(({ id, vcpus }) => ({ id, vcpus: vcpus.length })) };
  return used.flatMap(({ part }) =>
    instancesOf(part.per, shape).map((instance) => ({
      id: `${part.kind}:${instance}`,
      kind: part.kind,
      input: part.input?.(instance) ?? null,
    })),
  );
}

/** What of parts is the host's: kernel threads that sleep, and handlers of interrupts. */
export interface HostSide {
  readonly asleep: Readonly<Record<ActorId, ActorId>>;
  readonly bound: Readonly<Record<ActorId, ActorId>>;
  /** The handlers of one CPU, by interrupt. */
  readonly handlersOf: (cpu: number) => Readonly<Record<string, ActorId>>;
  /** Those that are softirqs. */
  readonly softirqs: readonly string[];
}

export function hostSideOf(used: readonly Used[], { host, vms }: ResolvedScenario): HostSide {
  const shape = { cpus: host.cpus, vms: vms.map(({ id, vcpus }) => ({ id, vcpus: vcpus.length })) };
  const threads = used.flatMap(({ part: { kind, per, sleeps } }) =>
    sleeps === undefined ? [] : instancesOf(per, shape).map((one) => ({ id: `${kind}:${one}`, ...sleeps(one) })),
  );
  const placed = (some: typeof threads) => Object.fromEntries(some.map(({ id, cpu }) => [id, `pcpu:${cpu % host.cpus}`]));
  return {
    asleep: placed(threads),
    bound: placed(threads.filter(({ bound }) => bound)),
    softirqs: used.flatMap(({ part: { handles, softirq } }) => (handles && softirq ? [handles] : [])),
    handlersOf: (cpu) => Object.fromEntries(used.flatMap(({ part: { kind, handles } }) => (handles ? [[handles, `${kind}:${cpu}`]] : []))),
  };
}

/** The machines of one mechanism's parts, by kind. */
export const machinesOf = (used: readonly Used[], owner: Mechanism, env: HostEnv): Record<string, AnyStateMachine> =>
  Object.fromEntries(used.filter((one) => one.owner === owner).map(({ part }) => [part.kind, part.machine(env)]));

/** Fields whose lists are sets. */
export const setsOf = (used: readonly Used[]): readonly string[] =>
  used.flatMap(({ part }) => (part.sets ?? []).map((field) => `${part.kind}.${field}`));

/** Kinds of which each CPU has one. */
export const perCpuOf = (used: readonly Used[]): readonly string[] => used.flatMap(({ part }) => (part.per === 'cpu' ? [part.kind] : []));
