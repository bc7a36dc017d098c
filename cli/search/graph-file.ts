/** `explore --graph`: the reachable graph of a small space as a file for Graphviz, or as JSON. */
import type { GraphState, ReachableGraph } from '../../sim/explore/covered/inspection.ts';
import { CliError, EXIT, usageError } from '../errors.ts';
import type { Io } from '../io.ts';
import { checkOutput, writeOutput } from '../target.ts';

/** States up to which a graph is written, unless --graph-states says otherwise. */
export const GRAPH_STATES = 2000;
/** More are no graph that anything lays out. */
export const GRAPH_STATES_MAX = 200_000;
const FORMAT = 'worldswitch-graph';
const VERSION = 1;

const ENDINGS = ['.dot', '.json'];

/** @throws CliError if the file cannot be written, or its ending names no format */
export function checkGraphFile(file: string, io: Io): void {
  if (!ENDINGS.some((ending) => file.endsWith(ending)))
    throw usageError(`found ${file} for --graph; expected a file whose name ends in ${ENDINGS.join(' or ')}`);
  checkOutput(file, io, { json: false, option: '--graph' });
}

/** The space is larger than what was asked for. */
export const tooLarge = (name: string, states: number): CliError =>
  new CliError({
    code: 'graph_too_large',
    exit: EXIT.usage,
    message: `${name} has more than ${states} states; no graph was written`,
    expected: `a space of at most ${states} states; --graph-states N raises that, up to ${GRAPH_STATES_MAX}`,
    attempt: 'a smaller scenario (--set), or the end of a recorded run: explore JOURNAL --from STEP',
  });

/** The search ended before it had all states. */
export const notWhole = (name: string): CliError =>
  new CliError({
    code: 'graph_not_whole',
    exit: EXIT.partial,
    message: `the search of ${name} ended early; no graph was written`,
    attempt: 'the same without --time, or with more',
  });

const quoted = (text: string): string => `"${text.replace(/[\\"]/g, (char) => `\\${char}`).replaceAll('\n', '\\n')}"`;

const COLOURS: Readonly<Record<GraphState['outcome'], string>> = {
  'goes-on': '',
  done: 'palegreen',
  halted: 'lightgrey',
  deadlock: 'orange',
  violation: 'salmon',
};

const attributes = (pairs: readonly (readonly [string, string])[]): string =>
  pairs.map(([name, value]) => `${name}=${quoted(value)}`).join(', ');

function dotOf({ scenario, variant, states, steps }: ReachableGraph): string {
  const node = ({ id, outcome, broken }: GraphState): string => {
    const label = [String(id), ...(outcome === 'goes-on' ? [] : [broken.length > 0 ? broken.join('\n') : outcome])].join('\n');
    const fill =
      COLOURS[outcome] === ''
        ? []
        : ([
            ['style', 'filled'],
            ['fillcolor', COLOURS[outcome]],
          ] as const);
    return `  ${id} [${attributes([['label', label], ['class', outcome], ...fill])}];`;
  };
  return [
    `digraph ${quoted(`${scenario}, variant ${variant}`)} {`,
    '  node [shape=box];',
    ...states.map(node),
    ...steps.map(
      ({ from, to, label, runs }) =>
        `  ${from} -> ${to} [${attributes([['label', label], ...(runs === null ? [] : [['tooltip', runs] as const])])}];`,
    ),
    '}',
    '',
  ].join('\n');
}

/** One state or step a line, so that files can be compared. */
function jsonOf({ scenario, variant, states, steps }: ReachableGraph): string {
  const list = (rows: readonly unknown[]): string =>
    rows.length === 0 ? '[]' : `[\n    ${rows.map((row) => JSON.stringify(row)).join(',\n    ')}\n  ]`;
  return `{
  "format": ${JSON.stringify(FORMAT)},
  "version": ${VERSION},
  "scenario": ${JSON.stringify(scenario)},
  "variant": ${JSON.stringify(variant)},
  "states": ${list(states)},
  "steps": ${list(steps)}
}
`;
}

/** The graph in the format that the ending of the file names. */
const graphText = (graph: ReachableGraph, file: string): string => (file.endsWith('.json') ? jsonOf(graph) : dotOf(graph));

/** Writes it; the file appears when it is whole. @returns its size */
export const writeGraph = (graph: ReachableGraph, file: string, io: Io): number =>
  writeOutput(file, [Buffer.from(graphText(graph, file))], io, '--graph');
