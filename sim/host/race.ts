/**
 * A mechanism in fewer words: operations with what they do, paths with what changes in them.
 *
 * `race()` makes a `Mechanism` of them, and does nothing that a mechanism could not say itself.
 */
import { type HostEnv, type HostItem, type HostPath, host, hostPatch, opOf } from '../../actors/host/host-env.ts';
import { fn } from '../../actors/kit/fn.ts';
import type { Primitive } from '../../actors/kit/primitive.ts';
import { type GuestEnv, type GuestItem, type GuestPath, guest, opOf as guestOpOf, guestPatch } from '../../actors/kvm/guest-program.ts';
import { joinKvm } from '../../actors/kvm/kit-exits.ts';
import { joinPatches, type PathPatches } from '../../actors/path/patch.ts';
import type { Source } from '../../actors/path/path.ts';
import type { Arguments, Operation } from '../scenario/operation.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { type Mechanism, MechanismError } from './mechanism.ts';
import { type Argument, argumentOf, operationOf } from './race-argument.ts';
import { hooksOf, type RunHooks } from './race-hooks.ts';
import { itemsOf, placed } from './race-items.ts';
import {
  type Declared,
  guestItemsOf,
  guestOperationsOf,
  haltEndsOf,
  hostOperationsOf,
  type KvmRace,
  kvmPartsOf,
  refuseLacking,
} from './race-kvm.ts';
import { refuseOdd } from './race-shape.ts';
import { propertiesOf } from './used-parts.ts';

/** An operation of a program, and what carries it out. @public */
export interface RaceOperation<Env, Item> {
  readonly summary: string;
  readonly args?: Arguments;
  /** Document, section or kernel function, version; how well that is known, if not from memory. */
  readonly source: string | Source;
  readonly does: (env: Env, arg: Argument) => readonly Item[];
}

/** What a race brings: all that a mechanism may, in fewer words. @public */
export interface Race
  extends Omit<Mechanism, 'uses' | 'hostOperations' | 'guestOperations' | 'host' | 'guest' | 'patch'>,
    KvmRace,
    RunHooks {
  readonly uses?: readonly Primitive[];
  /** What threads of a host process do, by the name of the operation. */
  readonly operations?: Readonly<Record<string, RaceOperation<HostEnv, HostItem>>>;
  /** What guests do. */
  readonly guestOperations?: Readonly<Record<string, RaceOperation<GuestEnv, GuestItem>>>;
  /** What changes in kernel functions, by their names. */
  readonly paths?: Readonly<Record<string, (path: HostPath, env: HostEnv) => HostPath>>;
  /** The same of what guests walk. */
  readonly guestPaths?: Readonly<Record<string, (path: GuestPath, env: GuestEnv) => GuestPath>>;
  /** Handlers of exceptions of the host's threads. */
  readonly faults?: Readonly<Record<string, (env: HostEnv) => readonly HostItem[]>>;
}

/** @throws MechanismError if two of them have one name */
function tableOf(name: string, operations: readonly (readonly [string, Declared])[]): Readonly<Record<string, Operation>> {
  const twice = operations.find(([one], at) => operations.findIndex(([other]) => other === one) < at);
  if (twice) throw new MechanismError(`mechanism ${name}: two operations are called ${twice[0]}; expected another name for one of them`);
  return Object.fromEntries(operations.map(([one, { summary, args }]) => [one, operationOf(one, summary, args)]));
}

/** The path that carries an operation out is named after it. */
const functionOf = (name: string): string => name.replaceAll('-', '_');

/** An option whose first value is `off` switches the whole race: with it nothing takes part. */
function isOff({ options = {} }: Pick<Race, 'options'>, { host: { options: chosen } }: ResolvedScenario): boolean {
  return Object.entries(options).some(
    ([name, values]) => values[0] === 'off' && (chosen as Readonly<Record<string, string>>)[name] === 'off',
  );
}

/** What an operation walks: its items, made for the host. */
const walked = <Env, Item>(who: string, { does }: RaceOperation<Env, Item>, env: Env, arg: Argument): readonly Item[] =>
  itemsOf(who, placed(who, does)(env, arg));

/**
 * The mechanism of a race.
 *
 * Where an option has `off` for its default, a host with that value has none of the primitives and
 * of the changed paths.
 * @public
 */
export function race(declared: Race): Mechanism {
  refuseOdd(declared);
  const { uses = [], operations = {}, guestOperations = {}, paths = {}, guestPaths = {}, faults, properties = [], ...more } = declared;
  const { requests, ioctls, exits, hypercalls, msrs, naes, onLoad, onPut, onEntry, onExit, ...rest } = more;
  const ofKvm = { requests, ioctls, exits, hypercalls, msrs, naes } as KvmRace;
  const hooks = { onLoad, onPut, onEntry, onExit } as RunHooks;
  refuseLacking(rest.name, ofKvm, rest.arches);
  const patches: PathPatches = Object.fromEntries([
    ...Object.entries(paths).map(([name, change]) => [name, [hostPatch(change)]] as const),
    ...Object.entries(guestPaths).map(([name, change]) => [name, [guestPatch(change)]] as const),
  ]);
  const endsHalt = haltEndsOf(ofKvm);
  return {
    ...rest,
    properties: [...properties, ...propertiesOf([...new Set(uses)])],
    uses: (scenario) => (isOff(rest, scenario) ? [] : uses),
    hostOperations: tableOf(rest.name, [...Object.entries(operations), ...hostOperationsOf(ofKvm)]),
    guestOperations: tableOf(rest.name, [...Object.entries(guestOperations), ...guestOperationsOf(ofKvm)]),
    host: () => ({
      operations: (env) =>
        Object.entries(operations).map(([name, one]) => [
          name,
          host.call(
            fn(
              functionOf(name),
              one.source,
              walked(
                `race ${rest.name}: operations.${name}.does`,
                one,
                env,
                argumentOf(one.args, (t) => opOf(env, t as never)),
              ),
            ),
          ),
        ]),
      ...(faults && { faults }),
    }),
    guest: (scenario) => ({
      operations: (env) => [
        ...Object.entries(guestOperations).map(([name, one]): readonly [string, readonly GuestItem[]] => [
          name,
          [
            guest.call(
              fn(
                functionOf(name),
                one.source,
                walked(
                  `race ${rest.name}: guestOperations.${name}.does`,
                  one,
                  env,
                  argumentOf(one.args, (v) => guestOpOf(env, v as never)),
                ),
              ),
            ),
          ],
        ]),
        ...guestItemsOf(ofKvm, scenario)(env),
      ],
      ...(endsHalt.length > 0 && { endsHalt }),
    }),
    kvm: (scenario) => joinKvm(rest.kvm?.(scenario) ?? {}, kvmPartsOf(ofKvm, scenario, isOff(rest, scenario))),
    patch: (scenario) => (isOff(rest, scenario) ? {} : { paths: joinPatches(patches, hooksOf(hooks, scenario.host.arch)) }),
  };
}
