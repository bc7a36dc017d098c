/**
 * How spaces grow with threads, CPUs and pages, searched over all states and over classes of
 * scheduler configurations. What has more states than the bound is cut.
 */
import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { shippedPath } from '../api/shipped-scenarios.ts';
import { Explorer } from '../sim/explore/breadth/explorer.ts';
import { classified } from '../sim/explore/classes/classified.ts';
import { finish } from '../sim/explore/turns.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { measured } from './explore-classes.ts';
import type { Figure, Table } from './harness.ts';
import type { Panel } from './svg.ts';

const STATES_MAX = 5_000_000;

const known = knownProperties();

interface Text {
  host: { cpus: number };
  vms: Record<string, { options: { pages: unknown[] }; vcpus: unknown[][] }>;
  processes: Record<string, unknown>;
}

/** A shipped scenario, changed. */
function shipped(name: string, variant: string, change: (scenario: Text) => void): ResolvedScenario {
  const scenario = parse(readFileSync(shippedPath(name), 'utf8')) as Text;
  change(scenario);
  return resolveScenario(loadScenario(stringify(scenario), `${name}.yaml`, known), { variant, knownProperties: known });
}

const withThreads = (threads: number): ResolvedScenario =>
  shipped('rmp-host-write-race', 'panic-sigbus', ({ processes }) => {
    if (threads < 3) delete processes.vhost0;
    if (threads > 3) processes.diskd = { threads: [[{ write: { vm: 'vm0', gfn: 5, stores: 1 } }]] };
  });

const withCpus = (cpus: number): ResolvedScenario =>
  shipped('rmpadjust-vs-rmpupdate', 'inuse', ({ host }) => {
    host.cpus = cpus;
  });

/** The guest makes one page after another private, while a daemon writes to the first. */
const withPages = (pages: number): ResolvedScenario =>
  shipped('rmp-host-write-race', 'panic-sigbus', ({ vms, processes }) => {
    delete processes.vhost0;
    const gfns = Array.from({ length: pages }, (_, i) => 5 + i);
    const { vm0 } = vms;
    vm0!.options.pages = gfns.map((gfn) => ({ gfn, pfn: 0x1000 + gfn, state: 'shared' }));
    vm0!.vcpus = [
      gfns.flatMap((gfn) => [{ psc: { gfn, to: 'private' } }, { pvalidate: { gfn, validated: true } }, { write: { gfn, private: true } }]),
    ];
  });

/** One space: states and seconds, over all states and over classes. */
interface Growth {
  readonly at: number;
  readonly all: { readonly states: number; readonly seconds: number; readonly isCut: boolean };
  readonly classes: { readonly states: number; readonly seconds: number; readonly isCut: boolean };
}

function growthOf(at: number, scenario: ResolvedScenario): Growth {
  const budget = { states: STATES_MAX };
  const all = measured(() => finish(new Explorer({ scenario, budget }).run()));
  const classes = measured(() => finish(classified({ scenario, budget, renames: 'cpus' })));
  return {
    at,
    all: { states: all.result.states, seconds: all.seconds, isCut: !all.result.exhausted },
    classes: { states: classes.result.search.space.count, seconds: classes.seconds, isCut: classes.result.limit !== null },
  };
}

const AXES = [
  { of: 'threads', counts: [2, 3, 4], scenario: withThreads },
  { of: 'CPUs', counts: [2, 3, 4, 5, 6, 7, 8], scenario: withCpus },
  { of: 'pages', counts: [1, 2, 3], scenario: withPages },
] as const;

function tableOf(of: string, growths: readonly Growth[]): Table {
  return {
    title: `Growth with ${of}`,
    values: growths.flatMap(({ at, all, classes }) => [
      { name: `${at} ${of}: states${all.isCut ? ', cut' : ''}`, value: all.states, unit: '' },
      { name: `${at} ${of}: over classes${classes.isCut ? ', cut' : ''}`, value: classes.states, unit: '' },
      { name: `${at} ${of}: CPU time${all.isCut ? ', cut' : ''}`, value: all.seconds, unit: 's' },
      { name: `${at} ${of}: over classes, CPU time${classes.isCut ? ', cut' : ''}`, value: classes.seconds, unit: 's' },
    ]),
  };
}

function panelsOf(of: string, growths: readonly Growth[]): Panel[] {
  const line = (name: string, pick: (growth: Growth) => { readonly value: number; readonly isCut: boolean }) => ({
    name,
    points: growths.map((growth) => ({ at: growth.at, ...pick(growth) })),
  });
  return [
    {
      title: `states by ${of}`,
      lines: [
        line('all states', ({ all }) => ({ value: all.states, isCut: all.isCut })),
        line('classes', ({ classes }) => ({ value: classes.states, isCut: classes.isCut })),
      ],
    },
    {
      title: `seconds by ${of}`,
      lines: [
        line('all states', ({ all }) => ({ value: all.seconds, isCut: all.isCut })),
        line('classes', ({ classes }) => ({ value: classes.seconds, isCut: classes.isCut })),
      ],
    },
  ];
}

export const exploreGrowth: Figure = {
  name: 'explore-growth',
  summary: 'how spaces grow with threads, CPUs and pages, over all states and over classes',
  run: () =>
    AXES.map(({ of, counts, scenario }) => {
      const growths = counts.map((count) => growthOf(count, scenario(count)));
      return { ...tableOf(of, growths), panels: panelsOf(of, growths) };
    }),
};
