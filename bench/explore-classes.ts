/**
 * What classes of scheduler configurations save: the same spaces, each searched over all states and
 * over classes, in one process. What has more states than the bound is searched over classes alone.
 */
import { readFileSync } from 'node:fs';
import { shippedPath } from '../api/shipped-scenarios.ts';
import { Explorer } from '../sim/explore/breadth/explorer.ts';
import { classified } from '../sim/explore/classes/classified.ts';
import { finish } from '../sim/explore/turns.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { collect, type Figure, type Value } from './harness.ts';

const STATES_MAX = 5_000_000;

const known = knownProperties();

/** A shipped scenario, with its text changed. */
function shipped(name: string, variant: string, change: (text: string) => string = (text) => text): ResolvedScenario {
  const text = change(readFileSync(shippedPath(name), 'utf8'));
  return resolveScenario(loadScenario(text, `${name}.yaml`, known), { variant, knownProperties: known });
}

const onCpus = (cpus: number) => (text: string) => text.replace('cpus: 2', `cpus: ${cpus}`);
const withDaemon = (text: string): string =>
  text.replace('processes:\n', 'processes:\n  diskd:\n    threads:\n      - [{ write: { vm: vm0, gfn: 0x5, stores: 1 } }]\n');

interface Row {
  readonly name: string;
  readonly scenario: ResolvedScenario;
}

const row = (name: string, variant: string, change?: (text: string) => string, what = ''): Row => ({
  name: `${name} ${variant}${what}`,
  scenario: shipped(name, variant, change),
});

/** What work comes to, and the CPU seconds that it took. */
export function measured<T>(work: () => T): { readonly result: T; readonly seconds: number } {
  collect();
  const { user, system } = process.cpuUsage();
  const result = work();
  const used = process.cpuUsage();
  return { result, seconds: (used.user + used.system - user - system) / 1_000_000 };
}

function valuesOf({ name, scenario }: Row): Value[] {
  const budget = { states: STATES_MAX };
  const all = measured(() => finish(new Explorer({ scenario, budget }).run()));
  const classes = measured(() => finish(classified({ scenario, budget, renames: 'cpus' })).search);
  const { exhausted, states, transitions } = all.result;
  const { space, rows } = classes.result;
  return [
    { name: `${name}: states${exhausted ? '' : ', cut'}`, value: states, unit: '' },
    { name: `${name}: over classes`, value: space.count, unit: '' },
    { name: `${name}: transitions`, value: transitions, unit: '' },
    { name: `${name}: over classes, transitions`, value: rows.transitions, unit: '' },
    { name: `${name}: CPU time`, value: all.seconds, unit: 's' },
    { name: `${name}: over classes, CPU time`, value: classes.seconds, unit: 's' },
  ];
}

export const exploreClasses: Figure = {
  name: 'explore-classes',
  summary: 'searches over classes of scheduler configurations, beside those over all states',
  run: () => {
    const race = 'rmpadjust-vs-rmpupdate';
    return [
      {
        title: 'Shipped scenarios',
        values: [
          row('vmsa-in-use-kick', 'kick'),
          row(race, 'inuse'),
          row('sld-wrmsr-preempted', 'v8-no-guard'),
          row('oslock-oslar-reload', 'preemptible'),
          row('sld-cpu-offline', 'no-callback'),
          row('rmp-host-write-race', 'panic-sigbus'),
          row('rmp-host-write-race', 'map-lock-user'),
        ].flatMap(valuesOf),
      },
      {
        title: 'Growth with CPUs',
        values: [2, 3, 4].flatMap((cpus) => valuesOf(row(race, 'inuse', onCpus(cpus), `, ${cpus} CPUs`))),
      },
      { title: 'A fourth thread', values: valuesOf(row('rmp-host-write-race', 'panic-sigbus', withDaemon, ', two daemons')) },
    ];
  },
};
