/** What of a scenario's paths and machines comes from modules of the user's own. */
import { under } from '../../actors/path/compile.ts';
import { fillingOf, isOwn } from '../../actors/path/filled.ts';
import type { ShownGraph, ShownItem } from '../../actors/path/walks.ts';
import type { Mechanism } from '../host/mechanism.ts';
import { nameOf } from '../host/merged.ts';
import { mechanismsOf, originOf } from '../host/registry.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { Topology } from '../store.ts';
import { pathsIn, type Site } from './sites.ts';

type ShownNode = ShownGraph['nodes'] extends ReadonlyMap<string, infer N> ? N : never;

/** Functions that carry operations out are called as these are, or have `_` for `-`. */
const operationsOf = ({ hostOperations = {}, guestOperations = {} }: Mechanism): readonly string[] =>
  [...Object.keys(hostOperations), ...Object.keys(guestOperations)].flatMap((name) => [name, name.replaceAll('-', '_')]);

/** The full names of all that a name stands under, and itself. */
const upTo = (name: string): string[] => name.split('.').map((_, at, parts) => parts.slice(0, at + 1).join('.'));

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
  const isPlaced = (name: string): boolean => upTo(name).some((path) => places.has(path));
  const isMine = (name: string): boolean => isPlaced(name) || name.split('.').some((part) => operations.has(part));
  /**
   * Whether it is decided there which branch is taken: by which answer comes, or by a case among
   * the module's own items. Which operation of a program comes next is not.
   */
  const decides = ({ edges }: ShownNode, to: string): boolean => {
    const routes = edges.flatMap((edge) => edge.routes);
    return (
      edges.filter(({ asked }) => asked).length > 1 ||
      routes.some(({ target, crosses }) => target === to && crosses.some((place) => isMine(place.slice(0, place.lastIndexOf('#'))))) ||
      // Items in a path of KVM have no prefix of their own: one of them goes on to another one.
      routes.some(({ target }) => isPlaced(target))
    );
  };
  return ({ kind, name }) => {
    if (kinds.has(kind)) return true;
    const [from, to] = name.split(' -> ').map((part) => part.split(' ')[0]!);
    if (!isMine(from!)) return false;
    const nodes = to === undefined ? [] : sites.flatMap((site) => (site.kind === kind ? (site.graph.nodes.get(from!) ?? []) : []));
    return to === undefined || nodes.some((node) => decides(node, to));
  };
}
