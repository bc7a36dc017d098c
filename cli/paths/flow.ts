/** The steps of a path and the ways between them, as a graph for Graphviz or Mermaid. */
import type { Line, Outline } from '../../sim/paths/outline.ts';
import type { Site } from '../../sim/paths/sites.ts';

interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

export interface FlowGraph {
  readonly name: string;
  /** Where the path has this form. */
  readonly places: readonly string[];
  readonly nodes: readonly { readonly id: string; readonly label: string; readonly isCall: boolean }[];
  readonly arrows: readonly Arrow[];
}

/** Where the path goes on when it returns. */
const RETURN = '(return)';
/** Longer tests are cut: an arrow has little room. */
const LABEL_MAX = 60;

const cut = (text: string): string => (text.length <= LABEL_MAX ? text : `${text.slice(0, LABEL_MAX - 1)}…`);

/** The test of each case, by its place; of calls that are shown inside too. */
function testsIn(items: readonly Line[], tests = new Map<string, string>()): Map<string, string> {
  for (const line of items) {
    if (line.kind === 'loop' || (line.kind === 'call' && line.items)) testsIn(line.items ?? [], tests);
    if (line.kind !== 'when') continue;
    for (const { test, ids, items: inside } of line.cases) {
      for (const id of ids) tests.set(id, test);
      testsIn(inside, tests);
    }
    for (const id of line.none?.ids ?? []) tests.set(id, 'else');
  }
  return tests;
}

/** The graph of a path at one of its places; calls deeper than `depth` are one node each. */
export function flowOf(outline: Outline, { prefix, graph, walk }: Site, depth: number): FlowGraph {
  const tests = testsIn(outline.items);
  const inside = [...graph.nodes.values()].filter(({ id }) => id.startsWith(`${prefix}.`));
  const nodeOf = (id: string): string => {
    if (!id.startsWith(`${prefix}.`)) return RETURN;
    return id
      .slice(prefix.length + 1)
      .split('.')
      .slice(0, depth + 1)
      .join('.');
  };
  const isCall = (id: string): boolean => !graph.nodes.has(`${prefix}.${id}`);
  const arrows = new Map<string, Arrow>();
  for (const { id, edges } of inside) {
    for (const { on, routes } of edges) {
      for (const { target, crosses } of routes) {
        const [from, to] = [nodeOf(id), nodeOf(target)];
        if (from === to && isCall(from)) continue;
        const words = [...(on === walk.stepEvent || isCall(from) ? [] : [on]), ...crosses.flatMap((pass) => tests.get(pass) ?? [])];
        const label = cut(words.join(', '));
        arrows.set(`${from} ${to} ${label}`, { from, to, label });
      }
    }
  }
  const ids = [...new Set([...inside.map(({ id }) => nodeOf(id)), ...[...arrows.values()].map(({ to }) => to)])];
  const letterOf = (id: string): string => graph.nodes.get(`${prefix}.${id}`)?.letter ?? '';
  const nodes = ids.map((id) => ({
    id,
    isCall: id !== RETURN && isCall(id),
    label: id === RETURN ? RETURN : isCall(id) ? `call ${id}` : `${letterOf(id)} ${id}`,
  }));
  return { name: outline.name, places: outline.places.map(({ path }) => path), nodes, arrows: [...arrows.values()] };
}

const dotText = (text: string): string => `"${text.replace(/[\\"]/g, (char) => `\\${char}`)}"`;

/** Of several forms, where one stands. */
const titleOf = ({ places }: FlowGraph): string => cut(places.join(', '));

/** For Graphviz: the forms of a path, each in a box of its own where there are several. */
export function dotOf(graphs: readonly FlowGraph[]): string {
  const isOne = graphs.length === 1;
  const linesOf = ({ nodes, arrows }: FlowGraph, form: number): string[] => {
    const idOf = (id: string): string => dotText(isOne ? id : `${form}:${id}`);
    return [
      ...nodes.map(({ id, label, isCall }) => `${idOf(id)} [label=${dotText(label)}${isCall ? ', peripheries=2' : ''}];`),
      ...arrows.map(({ from, to, label }) => `${idOf(from)} -> ${idOf(to)}${label === '' ? '' : ` [label=${dotText(label)}]`};`),
    ];
  };
  const drawn = (graph: FlowGraph, form: number): string[] => {
    const lines = linesOf(graph, form);
    if (isOne) return lines.map((line) => `  ${line}`);
    return [`  subgraph cluster_${form} {`, `    label=${dotText(titleOf(graph))};`, ...lines.map((line) => `    ${line}`), '  }'];
  };
  return [`digraph ${dotText(graphs[0]!.name)} {`, '  node [shape=box];', ...graphs.flatMap(drawn), '}', ''].join('\n');
}

/** Characters that mean something to Mermaid, as it wants them. */
const mermaidText = (text: string): string =>
  `"${text.replace(/[^A-Za-z0-9 _.,:()[\]|/+*?=!-]/gu, (char) => `#${char.codePointAt(0)!};`)}"`;

/** For Mermaid: the same as a flow chart. */
export function flowChartOf(graphs: readonly FlowGraph[]): string {
  const isOne = graphs.length === 1;
  const linesOf = ({ nodes, arrows }: FlowGraph, form: number): string[] => {
    const idOf = new Map(nodes.map(({ id }, i) => [id, isOne ? `n${i}` : `f${form}n${i}`]));
    return [
      ...nodes.map(({ id, label, isCall }) => `${idOf.get(id)}${isCall ? '[[' : '['}${mermaidText(label)}${isCall ? ']]' : ']'}`),
      ...arrows.map(({ from, to, label }) => `${idOf.get(from)} -->${label === '' ? '' : `|${mermaidText(label)}|`} ${idOf.get(to)}`),
    ];
  };
  const drawn = (graph: FlowGraph, form: number): string[] => {
    const lines = linesOf(graph, form);
    if (isOne) return lines.map((line) => `  ${line}`);
    return [`  subgraph f${form}[${mermaidText(titleOf(graph))}]`, ...lines.map((line) => `    ${line}`), '  end'];
  };
  return ['flowchart TD', ...graphs.flatMap(drawn), ''].join('\n');
}
