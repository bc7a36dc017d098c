/**
 * The patches of a scenario, gathered and checked against the model. Those of the user's own are
 * told apart: an error in one names the mechanism and its file, and one that would change nothing,
 * because no program calls a path of that name, is refused.
 */
import type { AnyStateMachine } from 'xstate';
import { type HostEnv, type HostPath, hostPatch } from '../../actors/host/host-env.ts';
import { hostItems } from '../../actors/host/thread-program.ts';
import { type GuestEnv, guestItems } from '../../actors/kvm/guest-program.ts';
import { markedNew } from '../../actors/path/filled.ts';
import { joinPatches, type PathPatch, type PathPatches, pathNamesIn } from '../../actors/path/patch.ts';
import { checkShape } from '../../actors/path/shape.ts';
import { shown, unknownName } from '../scenario/issues.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { MechanismError } from './mechanism.ts';
import type { PatchInForce } from './registry.ts';

/** Paths that nothing calls: machines begin with them. */
const TOP: readonly string[] = ['main', 'guest', 'kvm_sched_out', 'kvm_sched_in'];

const isPath = (made: unknown): made is HostPath => Array.isArray((made as Partial<HostPath> | undefined)?.items);

/** The same patch, with its mechanism in what it throws. */
const attributed = (origin: string, name: string, patch: PathPatch): PathPatch =>
  hostPatch((path, env) => {
    let made: unknown;
    try {
      made = patch(path, env);
      if (isPath(made)) checkShape(made, name);
    } catch (error) {
      if (error instanceof Error) error.message = `${origin}: patch of the path ${name}: ${error.message}`;
      throw error;
    }
    if (isPath(made)) return { ...made, items: markedNew(made.items, path.items) };
    throw new MechanismError(`${origin}: patch of the path ${name}: found ${shown(made)}; expected the function to give a path`);
  });

function pathsOfOwn(origin: string, paths: unknown): PathPatches {
  if (typeof paths !== 'object' || paths === null || Array.isArray(paths))
    throw new MechanismError(`${origin}: patch().paths: found ${shown(paths)}; expected a map from names of paths to lists of functions`);
  return Object.fromEntries(
    Object.entries(paths as Readonly<Record<string, unknown>>).map(([name, list]) => {
      if (!Array.isArray(list) || list.some((patch) => typeof patch !== 'function'))
        throw new MechanismError(
          `${origin}: patch().paths.${name}: found ${typeof list === 'function' ? 'a function' : shown(list)}; expected a list of functions`,
        );
      return [name, (list as readonly PathPatch[]).map((patch) => attributed(origin, name, patch))];
    }),
  );
}

/**
 * All patches of paths, in order.
 * @throws MechanismError where one of the user's own is no patch
 */
export const pathPatchesOf = (changes: readonly PatchInForce[]): PathPatches =>
  joinPatches(...changes.map(({ origin, paths }) => (origin === null || paths === undefined ? (paths ?? {}) : pathsOfOwn(origin, paths))));

/**
 * @throws MechanismError if a patch of the user's own names a path that this scenario's options do
 * not put anywhere
 */
export function refuseUnknownPaths(changes: readonly PatchInForce[], host: HostEnv, guest: GuestEnv): void {
  if (changes.every(({ origin, paths }) => origin === null || paths === undefined)) return;
  const names = pathNamesIn(hostItems(host), host.patches, pathNamesIn(guestItems(guest), guest.patches, new Set(TOP)));
  for (const path of Object.values(host.notifiers(host)) as readonly HostPath[])
    pathNamesIn(path.items, host.patches, names).add(path.name);
  for (const { origin, paths } of changes) {
    const unknown = origin === null ? undefined : Object.keys(paths ?? {}).find((name) => !names.has(name));
    if (unknown !== undefined)
      throw new MechanismError(`${origin}: patch().paths: ${unknownName(unknown, 'a path of this scenario', [...names].sort())}`);
  }
}

/**
 * Puts patched machines in the place of those they change.
 * @throws MechanismError if there is no machine of that kind
 */
export function patchMachines(
  machines: Record<string, AnyStateMachine>,
  changes: readonly PatchInForce[],
  scenario: ResolvedScenario,
): void {
  for (const { origin, machines: patches = {} } of changes) {
    for (const [kind, patch] of Object.entries(patches)) {
      if (!Object.hasOwn(machines, kind)) {
        const message = unknownName(kind, 'a kind of actors', Object.keys(machines));
        throw new MechanismError(`${origin ?? 'a mutant'}: patch().machines: ${message}`);
      }
      machines[kind] = patch(machines[kind]!, scenario);
    }
  }
}
