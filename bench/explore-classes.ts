/**
 * What classes of scheduler configurations save: the same spaces, each searched over all states and
 * over classes. What has more states than the bound is cut.
 */
import { readFileSync } from 'node:fs';
import { shippedPath } from '../api/shipped-scenarios.ts';
import { withCompiled } from './explore-processes.ts';
import type { Figure } from './harness.ts';
import { type Space, sidesOf, valuesOf } from './two-searches.ts';

/** A shipped scenario, with its text changed. */
const shipped = (name: string, variant: string, change: (text: string) => string = (text) => text): Space => ({
  name,
  variant,
  text: change(readFileSync(shippedPath(name), 'utf8')),
});

const onCpus = (cpus: number) => (text: string) => text.replace('cpus: 2', `cpus: ${cpus}`);
const withDaemon = (text: string): string =>
  text.replace('processes:\n', 'processes:\n  diskd:\n    threads:\n      - [{ write: { vm: vm0, gfn: 0x5, stores: 1 } }]\n');

const RACE = 'rmp-host-write-race';
const ADJUST = 'rmpadjust-vs-rmpupdate';

export const exploreClasses: Figure = {
  name: 'explore-classes',
  summary: 'searches over classes of scheduler configurations, beside those over all states',
  run: () =>
    withCompiled((compiled) => {
      const values = (space: Space, what = '') => valuesOf(`${space.name} ${space.variant}${what}`, sidesOf(compiled, space));
      return [
        {
          title: 'Shipped scenarios',
          values: [
            shipped('vmsa-in-use-kick', 'kick'),
            shipped(ADJUST, 'inuse'),
            shipped('sld-wrmsr-preempted', 'v8-no-guard'),
            shipped('oslock-oslar-reload', 'preemptible'),
            shipped('sld-cpu-offline', 'no-callback'),
            shipped(RACE, 'panic-sigbus'),
            shipped(RACE, 'map-lock-user'),
          ].flatMap((space) => values(space)),
        },
        {
          title: 'Growth with CPUs',
          values: [2, 3, 4].flatMap((cpus) => values(shipped(ADJUST, 'inuse', onCpus(cpus)), `, ${cpus} CPUs`)),
        },
        { title: 'A fourth thread', values: values(shipped(RACE, 'panic-sigbus', withDaemon), ', two daemons') },
      ];
    }),
};
