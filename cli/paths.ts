/** `paths`: kernel functions and instructions as the model walks them, in pseudo-code. */
import { topologyOf } from '../sim/host/topology.ts';
import { type Outline, outlinesOf } from '../sim/paths/outline.ts';
import { pathsIn, type Site } from '../sim/paths/sites.ts';
import { unknownName } from '../sim/scenario/issues.ts';
import { loadReference, resolved } from './catalog.ts';
import { type Call, type Command, integer, SCENARIO_OPTIONS } from './command.ts';
import { CliError, EXIT, usageError } from './errors.ts';
import { commandText } from './output.ts';
import { printAbout } from './paths/about.ts';
import { dotOf, flowChartOf, flowOf } from './paths/flow.ts';
import { LEGEND, listDocument, printList, printPath } from './paths/report.ts';

interface Options {
  readonly format?: 'text' | 'dot' | 'mermaid';
  readonly scenario?: string;
  readonly variant?: string;
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly depth?: number;
  readonly about?: true;
}

const SCENARIO_DEFAULT = 'rmp-host-write-race';
/** Calls nest less deeply than this. */
const DEPTH_MAX = 64;

function sitesOf(paths: ReadonlyMap<string, readonly Site[]>, name: string, scenario: string): readonly Site[] {
  const sites = paths.get(name);
  if (sites) return sites;
  // An instruction is written in capitals, a function is not.
  const isWritten = (other: string): number => Number(/[a-z]/.test(other) !== /[a-z]/.test(name));
  const known = [...paths.keys()].sort((a, b) => isWritten(a) - isWritten(b) || (a < b ? -1 : 1));
  throw new CliError({
    code: 'unknown_path',
    exit: EXIT.usage,
    message: unknownName(name, `the name of a path of ${scenario}`, known),
    attempt: `${commandText(['paths', '--scenario', scenario])}; another host has others, and a scenario without one has none`,
  });
}

/** A place at which the path has this form. */
function siteOf({ places: [first] }: Outline, sites: readonly Site[]): Site {
  return sites.find(({ kind, prefix }) => kind === first!.kind && prefix === first!.path)!;
}

function run({ io, out, json, args, options: given }: Call): number {
  const options = given as Options;
  const [name] = args;
  const { scenario: reference = SCENARIO_DEFAULT, depth = 0, format = 'text', about } = options;
  if (about && name !== undefined) throw usageError(`--about is about all paths; leave ${name} or --about out`);
  if (name === undefined && (format !== 'text' || options.depth !== undefined))
    throw usageError(`--${format === 'text' ? 'depth' : 'format'} is for one path; expected its name`, {
      attempt: 'worldswitch paths lists them',
    });
  const scenario = resolved(loadReference(reference, io).scenario, options);
  const topology = topologyOf(scenario);
  const paths = pathsIn(topology);
  if (about) {
    printAbout(out, { scenario, topology, paths }, json);
    return EXIT.ok;
  }
  if (name === undefined) {
    if (json) out.json(listDocument(paths));
    else printList(out, paths, scenario);
    return EXIT.ok;
  }
  const sites = sitesOf(paths, name, reference);
  const outlines = outlinesOf(sites, { scenario, topology, depth });
  if (json) out.json(outlines);
  else if (format === 'text') {
    for (const outline of outlines) {
      printPath(out, outline);
      out.line();
    }
    out.line(LEGEND);
  } else {
    const graphs = outlines.map((outline) => flowOf(outline, siteOf(outline, sites), depth));
    out.lines(format === 'dot' ? dotOf(graphs) : flowChartOf(graphs));
  }
  return EXIT.ok;
}

export const COMMAND: Command = {
  operands: '[name]',
  details: [
    'Without NAME: all paths with where they come from, those that the scenario walks first. With NAME: its steps with their contexts, the messages they say and take, branches and where they are decided, loops, calls, and the names that replaceStep finds in it.',
    'A branch is decided at the end of the step before it. Each `when` says at the end of which step.',
  ],
  options: [
    { flags: '--scenario <scenario>', description: `whose paths (default: ${SCENARIO_DEFAULT})` },
    ...SCENARIO_OPTIONS,
    {
      flags: '--depth <n>',
      description: 'calls shown with their items, so many deep (default: 0, by name only)',
      parse: integer(0, DEPTH_MAX),
    },
    {
      flags: '--format <name>',
      description: 'text (default), or the ways between its steps as dot or mermaid',
      choices: ['text', 'dot', 'mermaid'],
    },
    { flags: '--about', description: 'what can be patched, filled, imported and sent' },
  ],
  examples: [
    ['paths', 'which there are, and where they come from'],
    ['paths rmpupdate --depth 1', 'one of them, with the instruction that it calls'],
    ['paths KVM_RUN --scenario sld-two-vcpus --format dot | dot -Tsvg > run.svg', 'as a picture'],
    ['paths --about --scenario sld-two-vcpus', 'what a module can change and say on that host'],
  ],
  run,
};
