/** `machines`: the statecharts of a scenario's actors, expanded. */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import { mutantsOf } from '../sim/host/registry.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { unknownName } from '../sim/scenario/issues.ts';
import type { Arch } from '../sim/scenario/types.ts';
import { loadReference, resolved } from './catalog.ts';
import { type Call, type Command, SCENARIO_OPTIONS } from './command.ts';
import { CliError, EXIT } from './errors.ts';
import { mermaidOf } from './mermaid.ts';
import { type Printer, table } from './output.ts';
import { statechartOf } from './statechart.ts';

interface Options {
  readonly format?: 'json' | 'mermaid';
  readonly scenario?: string;
  readonly variant?: string;
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
}

const SCENARIO_DEFAULT = 'rmp-host-write-race';

const statesOf = (node: AnyStateNode): number =>
  Object.values(node.states).reduce((sum: number, child) => sum + statesOf(child as AnyStateNode), 1);

function machineOf(machines: Readonly<Record<string, AnyStateMachine>>, name: string): AnyStateMachine {
  if (Object.hasOwn(machines, name)) return machines[name]!;
  throw new CliError({
    code: 'unknown_machine',
    exit: EXIT.usage,
    message: unknownName(name, 'the name of a machine', Object.keys(machines)),
    attempt: 'worldswitch machines',
  });
}

function printMutants(printer: Printer, arch: Arch): void {
  const mutants = Object.entries(mutantsOf(arch));
  if (mutants.length === 0) return;
  printer.line();
  printer.line(`Mutants of the model of ${arch} hosts, for --mutant:`);
  table(
    printer,
    mutants.map(([name, { summary }]) => [name, summary]),
  );
}

function run({ io, out, json, args, options: given }: Call): number {
  const options = given as Options;
  const [name] = args;
  const { scenario } = loadReference(options.scenario ?? SCENARIO_DEFAULT, io);
  const { machines, actors } = topologyOf(resolved(scenario, options));
  const format = json ? 'json' : (options.format ?? (name === undefined ? null : 'json'));
  const chosen = name === undefined ? machines : { [name]: machineOf(machines, name) };
  if (format === 'json') {
    const charts = Object.fromEntries(Object.entries(chosen).map(([kind, machine]) => [kind, statechartOf(machine)]));
    out.json(name === undefined ? charts : charts[name]);
  } else if (format === 'mermaid') out.lines(mermaidOf(chosen));
  else {
    const rows = Object.entries(machines).map(([kind, machine]) => {
      const ids = actors.filter((actor) => actor.kind === kind).map(({ id }) => id);
      return [kind, `${statesOf(machine.root)} states`, ids.length === 0 ? '(no actor in this scenario)' : ids.join(', ')];
    });
    table(out, rows, '');
    out.line('One of them: worldswitch machines NAME --format mermaid');
    printMutants(out, scenario.host.arch);
  }
  return EXIT.ok;
}

export const COMMAND: Command = {
  operands: '[name]',
  details: [
    "The paths that a scenario's options choose are part of its machines: --scenario and --variant say which. JSON is what Stately's tools import: structure and names without code (`inline` stands for a guard or an action without a name). In a diagram a transition between nested states of different parents is drawn between the outermost states that differ, and labelled with both ends.",
  ],
  options: [
    { flags: '--format <name>', description: 'json (default with NAME) or mermaid', choices: ['json', 'mermaid'] },
    { flags: '--scenario <scenario>', description: `whose machines (default: ${SCENARIO_DEFAULT})` },
    ...SCENARIO_OPTIONS,
  ],
  examples: [
    ['machines', 'which there are, the actors of each, and the mutants'],
    ['machines pcpu --format mermaid', 'a diagram of the processor'],
    ['machines hostThread --scenario vmsa-in-use-kick --variant kick > thread.json', 'for Stately'],
  ],
  run,
};
