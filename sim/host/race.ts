/**
 * A mechanism in fewer words: operations with what they do, paths with what changes in them.
 *
 * `race()` makes a `Mechanism` of them, and does nothing that a mechanism could not say itself.
 */
import { type HostEnv, type HostItem, type HostPath, host, hostPatch, opOf } from '../../actors/host/host-env.ts';
import { fn } from '../../actors/kit/fn.ts';
import type { Primitive } from '../../actors/kit/primitive.ts';
import { type GuestEnv, type GuestItem, type GuestPath, guest, opOf as guestOpOf, guestPatch } from '../../actors/kvm/guest-program.ts';
import type { PathPatches } from '../../actors/path/patch.ts';
import type { Source } from '../../actors/path/path.ts';
import type { GuestOp, HostOp } from '../../events/program.ts';
import { type Arguments, type Operation, operation } from '../scenario/operation.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { type Mechanism, MechanismError } from './mechanism.ts';

/** What an argument of the operation is, for the thread or the guest that stands at it. @public */
export type Argument = <V = string>(name: string) => (walker: object) => V;

/** An operation of a program, and what carries it out. @public */
export interface RaceOperation<Env, Item> {
  readonly summary: string;
  readonly args?: Arguments;
  /** Document, section or kernel function, version; how well that is known, if not from memory. */
  readonly source: string | Source;
  readonly does: (env: Env, arg: Argument) => readonly Item[];
}

/** What a race brings: all that a mechanism may, in fewer words. @public */
export interface Race extends Omit<Mechanism, 'uses' | 'hostOperations' | 'guestOperations' | 'host' | 'guest' | 'patch'> {
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

const tableOf = (operations: Readonly<Record<string, RaceOperation<never, unknown>>>): Readonly<Record<string, Operation>> =>
  Object.fromEntries(Object.entries(operations).map(([name, { summary, args = {} }]) => [name, operation(name, summary, args)]));

/** The path that carries an operation out is named after it. */
const functionOf = (name: string): string => name.replaceAll('-', '_');

/** @throws MechanismError if the operation has no such argument */
function read<V>(op: GuestOp | HostOp | { readonly op: string }, name: string): V {
  if (!Object.hasOwn(op, name))
    throw new MechanismError(`${op.op} has no argument ${name}; expected ${Object.keys(op).slice(1).join(', ') || 'none'}`);
  return (op as unknown as Readonly<Record<string, V>>)[name]!;
}

/** An option whose first value is `off` switches the whole race: with it nothing takes part. */
function isOff({ options = {} }: Pick<Race, 'options'>, { host: { options: chosen } }: ResolvedScenario): boolean {
  return Object.entries(options).some(
    ([name, values]) => values[0] === 'off' && (chosen as Readonly<Record<string, string>>)[name] === 'off',
  );
}

/**
 * The mechanism of a race.
 *
 * Where an option has `off` for its default, a host with that value has none of the primitives and
 * of the changed paths.
 * @public
 */
export function race({ uses = [], operations = {}, guestOperations = {}, paths = {}, guestPaths = {}, faults, ...rest }: Race): Mechanism {
  const patches: PathPatches = Object.fromEntries([
    ...Object.entries(paths).map(([name, change]) => [name, [hostPatch(change)]] as const),
    ...Object.entries(guestPaths).map(([name, change]) => [name, [guestPatch(change)]] as const),
  ]);
  return {
    ...rest,
    uses: (scenario) => (isOff(rest, scenario) ? [] : uses),
    hostOperations: tableOf(operations),
    guestOperations: tableOf(guestOperations),
    host: () => ({
      operations: (env) =>
        Object.entries(operations).map(([name, { source, does }]) => [
          name,
          host.call(
            fn(
              functionOf(name),
              source,
              does(env, (arg) => (walker) => read(opOf(env, walker as never), arg)),
            ),
          ),
        ]),
      ...(faults && { faults }),
    }),
    guest: () => ({
      operations: (env) =>
        Object.entries(guestOperations).map(([name, { source, does }]) => [
          name,
          [
            guest.call(
              fn(
                functionOf(name),
                source,
                does(env, (arg) => (walker) => read(guestOpOf(env, walker as never), arg)),
              ),
            ),
          ],
        ]),
    }),
    patch: (scenario) => (isOff(rest, scenario) ? {} : { paths: patches }),
  };
}
