/**
 * How spaces grow with threads, CPUs and pages, searched over all states and over classes of
 * scheduler configurations. What has more states than the bound is cut.
 */
import { readFileSync } from 'node:fs';
import { parse, stringify } from 'yaml';
import { shippedPath } from '../api/shipped-scenarios.ts';
import { withCompiled } from './explore-processes.ts';
import type { Figure } from './harness.ts';
import type { Panel } from './svg.ts';
import { type Side, type Sides, type Space, sidesOf, valuesOf } from './two-searches.ts';

interface Text {
  host: { cpus: number };
  vms: Record<string, { options: { pages: unknown[] }; vcpus: unknown[][] }>;
  processes: Record<string, unknown>;
}

/** A shipped scenario, changed. */
function shipped(name: string, variant: string, change: (scenario: Text) => void): Space {
  const scenario = parse(readFileSync(shippedPath(name), 'utf8')) as Text;
  change(scenario);
  return { name, variant, text: stringify(scenario) };
}

const withThreads = (threads: number): Space =>
  shipped('rmp-host-write-race', 'panic-sigbus', ({ processes }) => {
    if (threads < 3) delete processes.vhost0;
    if (threads > 3) processes.diskd = { threads: [[{ write: { vm: 'vm0', gfn: 5, stores: 1 } }]] };
  });

const withCpus = (cpus: number): Space =>
  shipped('rmpadjust-vs-rmpupdate', 'inuse', ({ host }) => {
    host.cpus = cpus;
  });

/** The guest makes one page after another private, while a daemon writes to the first. */
const withPages = (pages: number): Space =>
  shipped('rmp-host-write-race', 'panic-sigbus', ({ vms, processes }) => {
    delete processes.vhost0;
    const gfns = Array.from({ length: pages }, (_, i) => 5 + i);
    const { vm0 } = vms;
    vm0!.options.pages = gfns.map((gfn) => ({ gfn, pfn: 0x1000 + gfn, state: 'shared' }));
    vm0!.vcpus = [
      gfns.flatMap((gfn) => [{ psc: { gfn, to: 'private' } }, { pvalidate: { gfn, validated: true } }, { write: { gfn, private: true } }]),
    ];
  });

const AXES = [
  { of: 'threads', counts: [2, 3, 4], space: withThreads },
  { of: 'CPUs', counts: [2, 3, 4, 5, 6, 7, 8], space: withCpus },
  { of: 'pages', counts: [1, 2, 3], space: withPages },
] as const;

interface Growth extends Sides {
  readonly at: number;
}

function panelOf(title: string, growths: readonly Growth[], value: (side: Side) => number): Panel {
  const line = (name: string, side: (growth: Growth) => Side) => ({
    name,
    points: growths.map((growth) => ({ at: growth.at, value: value(side(growth)), isCut: side(growth).isCut })),
  });
  return { title, lines: [line('all states', ({ all }) => all), line('classes', ({ classes }) => classes)] };
}

export const exploreGrowth: Figure = {
  name: 'explore-growth',
  summary: 'how spaces grow with threads, CPUs and pages, over all states and over classes',
  run: () =>
    withCompiled((compiled) =>
      AXES.map(({ of, counts, space }) => {
        const growths = counts.map((at): Growth => ({ at, ...sidesOf(compiled, space(at)) }));
        return {
          title: `Growth with ${of}`,
          values: growths.flatMap((growth) => valuesOf(`${growth.at} ${of}`, growth)),
          panels: [
            panelOf(`states by ${of}`, growths, ({ states }) => states),
            panelOf(`seconds by ${of}`, growths, ({ seconds }) => seconds),
          ],
        };
      }),
    ),
};
