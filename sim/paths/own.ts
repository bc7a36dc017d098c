/** What of a scenario's paths and machines comes from modules of the user's own. */
import { under } from '../../actors/path/compile.ts';
import { fillingOf, isOwn } from '../../actors/path/filled.ts';
import type { ShownItem } from '../../actors/path/walks.ts';
import type { Mechanism } from '../host/mechanism.ts';
import { nameOf } from '../host/merged.ts';
import { mechanismsOf, originOf } from '../host/registry.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { Topology } from '../store.ts';
import { pathsIn, type Site } from './sites.ts';

/** Functions that carry operations out are called as these are, or have `_` for `-`. */
const operationsOf = ({ hostOperations = {}, guestOperations = {} }: Mechanism): readonly string[] =>
  [...Object.keys(hostOperations), ...Object.keys(guestOperations)].flatMap((name) => [name, name.replaceAll('-', '_')]);

/** The full names of the steps and calls in a path that a module has put there. */
function placesIn({ prefix, path }: Site, owners: readonly string[]): string[] {
  const isMarked = (item: ShownItem): boolean => isOwn(item) || owners.includes(fillingOf(item)?.owner ?? '');
  const inItems = (items: readonly ShownItem[], inside: boolean): string[] =>
    items.flatMap((item) => {
      const mine = inside || isMarked(item);
      if (item.kind === 'loop') return inItems(item.body, mine);
      if (item.kind === 'when') return item.cases.flatMap(([, body]) => inItems(body, mine));
      const name = item.kind === 'call' ? item.path.name : 'name' in item ? item.name : null;
      return mine && name !== null ? [under(prefix, name)] : [];
    });
  return inItems(path.items, false);
}

/**
 * Whether something that a search can take is of a module of the user's own: what carries out its
 * operations, what it puts into slots and paths of KVM, its machines, and its threads and handlers.
 */
export function ownIn(scenario: ResolvedScenario, topology: Topology): (hole: { readonly kind: string; readonly name: string }) => boolean {
  const modules = mechanismsOf(scenario.host.arch).filter((mechanism) => originOf(mechanism) !== null);
  if (modules.length === 0 || scenario.model !== undefined) return () => false;
  const owners = modules.map(nameOf);
  const operations = new Set(modules.flatMap(operationsOf));
  const sites = [...pathsIn(topology).values()].flat();
  const walkers = sites.filter(({ kind }) => topology.origins?.[kind] !== undefined).map(({ kind }) => kind);
  const kinds = new Set([...walkers, ...modules.flatMap((one) => Object.keys(one.machines?.(scenario) ?? {}))]);
  const places = new Set(sites.flatMap((site) => placesIn(site, owners)));
  return ({ kind, name }) => {
    if (kinds.has(kind)) return true;
    const parts = name.split(' ')[0]!.split('.');
    return parts.some((part, at) => operations.has(part) || places.has(parts.slice(0, at + 1).join('.')));
  };
}
