/** Statecharts as Mermaid state diagrams with nested states. */
import type { AnyStateMachine, AnyStateNode } from 'xstate';

/** An identifier: the place in the tree, in letters that no keyword has. */
const idOf = (root: string, node: AnyStateNode): string =>
  ['s', root, ...node.path].map((part) => part.replace(/[^A-Za-z0-9]/g, '_')).join('__');

/** Text of a label: colons, semicolons, hashes and quotes mean something to Mermaid. */
const label = (text: string): string => text.replace(/[^A-Za-z0-9_ .,()[\]|/+*?=-]/g, '_');

const childrenOf = (node: AnyStateNode): AnyStateNode[] => Object.values(node.states) as AnyStateNode[];

/** The nodes from below the root down to `node`. */
function lineage(node: AnyStateNode): AnyStateNode[] {
  const nodes: AnyStateNode[] = [];
  for (let at: AnyStateNode | undefined = node; at?.parent; at = at.parent) nodes.unshift(at);
  return nodes;
}

/** The node for all states of a machine, for transitions that leave whichever is active. */
const anyOf = (id: string): string => `${id}__any`;

/** Events that a state takes without leaving it. */
const handledBy = (node: AnyStateNode): string[] =>
  [...node.transitions].flatMap(([event, transitions]) => (transitions.some(({ target }) => target === undefined) ? [event] : []));

interface Edge {
  readonly from: string;
  readonly to: string;
  readonly text: string;
}

const below = (ancestor: AnyStateNode, node: AnyStateNode): string => node.path.slice(ancestor.path.length).join('.');

/**
 * An arrow between two states that share a parent. Mermaid draws none between states of different
 * parents, so a transition that leaves or enters a nested state is drawn between the outermost
 * states that differ, and its label says from where and to where.
 */
function edgeOf(
  root: string,
  source: AnyStateNode,
  target: AnyStateNode,
  event: string,
): { readonly parent: AnyStateNode; readonly edge: Edge } | null {
  const from = lineage(source);
  const to = lineage(target);
  if (from.length === 0 && to[0]) {
    const names = to[0] === target ? event : `${event} to ${below(to[0], target)}`;
    return { parent: source, edge: { from: anyOf(idOf(root, source)), to: idOf(root, to[0]), text: label(names) } };
  }
  let common = 0;
  while (common < from.length - 1 && common < to.length - 1 && from[common] === to[common]) common++;
  const outerFrom = from[common];
  const outerTo = to[common];
  if (!outerFrom || !outerTo) return null;
  const names = [outerFrom === source ? '' : `from ${below(outerFrom, source)}`, outerTo === target ? '' : `to ${below(outerTo, target)}`];
  const text = [event, ...names.filter((name) => name !== '')].join(' ');
  return { parent: outerFrom.parent!, edge: { from: idOf(root, outerFrom), to: idOf(root, outerTo), text: label(text) } };
}

/** All arrows by the state whose children they join. */
function edgesOf(machine: AnyStateMachine, root: string): Map<AnyStateNode, Map<string, Edge>> {
  const edges = new Map<AnyStateNode, Map<string, Edge>>();
  const visit = (node: AnyStateNode): void => {
    for (const [event, transitions] of node.transitions) {
      for (const { target } of transitions) {
        for (const to of target ?? []) {
          const found = edgeOf(root, node, to, event === '' ? 'always' : event);
          if (!found) continue;
          const { parent, edge } = found;
          const known = edges.get(parent) ?? new Map<string, Edge>();
          edges.set(parent, known.set(`${edge.from} ${edge.to} ${edge.text}`, edge));
        }
      }
    }
    childrenOf(node).forEach(visit);
  };
  visit(machine.root);
  return edges;
}

/** The diagram of some machines, each as one composite state. */
export function mermaidOf(machines: Readonly<Record<string, AnyStateMachine>>): string {
  const lines = ['stateDiagram-v2'];
  for (const [name, machine] of Object.entries(machines)) {
    const edges = edgesOf(machine, name);
    const draw = (node: AnyStateNode, indent: string): void => {
      const id = idOf(name, node);
      const children = childrenOf(node);
      const title = node === machine.root ? name : node.key;
      if (children.length === 0) {
        lines.push(`${indent}state "${label(title)}" as ${id}`);
        for (const event of handledBy(node)) lines.push(`${indent}${id} : takes ${label(event)}`);
        return;
      }
      lines.push(`${indent}state "${label(title)}" as ${id} {`);
      const inner = `${indent}  `;
      children.forEach((child, i) => {
        if (node.type === 'parallel' && i > 0) lines.push(`${inner}--`);
        draw(child, inner);
      });
      const [initial] = node.type === 'parallel' ? [] : (node.initial.target ?? []);
      const first = initial && lineage(initial)[lineage(node).length];
      if (first) lines.push(`${inner}[*] --> ${idOf(name, first)}`);
      const arrows = [...(edges.get(node)?.values() ?? [])];
      if (arrows.some(({ from }) => from === anyOf(id))) lines.push(`${inner}state "any state" as ${anyOf(id)}`);
      for (const { from, to, text } of arrows) lines.push(`${inner}${from} --> ${to} : ${text}`);
      lines.push(`${indent}}`);
    };
    draw(machine.root, '  ');
  }
  return `${lines.join('\n')}\n`;
}
