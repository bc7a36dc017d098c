/** The monitors of a scenario as actors: they stand last, in the order of the properties. */
import type { ActorId } from '../../events/event.ts';
import { MechanismError } from '../host/mechanism.ts';
import { propertyOf } from '../properties/index.ts';
import type { Property } from '../property.ts';
import { unknownName } from '../scenario/issues.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { ActorSpec, Topology } from '../store.ts';
import { MONITOR_NEXT, monitorMachine } from './machine.ts';
import { type Following, type Follows, followedKinds, type MonitorContext, monitorKind } from './monitor.ts';

/** Monitors of one property: each is a part of every state. */
const MONITORS_MAX = 64;

function followed(follows: Follows, actors: readonly ActorSpec[]): (readonly ActorId[])[] {
  if (follows === null) return [[]];
  const ids = (kind: string) => actors.filter((actor) => actor.kind === kind).map(({ id }) => id);
  if ('each' in follows) return ids(follows.each).map((id) => [id]);
  const [ones, others] = follows.pair.map(ids) as [ActorId[], ActorId[]];
  return ones.flatMap((one) => others.filter((other) => other !== one).map((other) => [one, other]));
}

/** `monitor:my.request vcpu:vm0/0 vcpu:vm0/1`: the property, then who is followed. */
const idOf = (property: string, who: readonly ActorId[]): ActorId => [`monitor:${property}`, ...who].join(' ');

function monitorsOf({ id, monitor }: Property, { actors, machines }: Topology): Following[] {
  if (monitor === undefined) return [];
  const known = Object.keys(machines);
  for (const kind of [...followedKinds(monitor.follows), ...monitor.looksAt])
    if (!known.includes(kind)) throw new MechanismError(`property ${id}: ${unknownName(kind, 'a kind of actors', known)}`);
  const all = followed(monitor.follows, actors);
  if (all.length > MONITORS_MAX)
    throw new MechanismError(
      `property ${id} follows ${all.length} ${monitor.follows !== null && 'pair' in monitor.follows ? 'pairs' : 'actors'} in this scenario, and each is a part of every state; expected at most ${MONITORS_MAX}: fewer actors, or a property of the world`,
    );
  return all.map((who) => ({ property: id, monitor, who }));
}

/** A topology with the monitors of a scenario's properties; the same where none has one. */
export function withMonitors(topology: Topology, { properties: { always, sometimes, eventually } }: ResolvedScenario): Topology {
  const all = [...always, ...sometimes, ...eventually].flatMap((id) => monitorsOf(propertyOf(id), topology));
  if (all.length === 0) return topology;
  const input = ({ monitor, who }: Following): MonitorContext => ({ who, state: monitor.start });
  const specs = all.map((one) => ({ id: idOf(one.property, one.who), kind: monitorKind(one.property), input: input(one) }));
  const kinds = [...new Set(specs.map(({ kind }) => kind))];
  return {
    ...topology,
    actors: [...topology.actors, ...specs],
    machines: { ...topology.machines, ...Object.fromEntries(kinds.map((kind) => [kind, monitorMachine])) },
    catalogue: { ...topology.catalogue, [MONITOR_NEXT]: 'bus' },
    monitors: Object.fromEntries(specs.map(({ id }, at) => [id, all[at]!])),
  };
}
