/**
 * Whether several threads pay, and what fingerprints save: the same searches side by side, on large
 * spaces.
 */
import type { Searched, Which } from './explore-child.ts';
import { type Compiled, folderOf, ratesOf, takeTurns, withCompiled } from './explore-processes.ts';
import type { Figure, Table, Value } from './harness.ts';

interface Space {
  readonly title: string;
  readonly argv: readonly string[];
  readonly which: Which;
}

const SPACES: readonly Space[] = [
  {
    title: 'rmp-lock, 5 vCPUs',
    argv: ['rmp-lock', '--set', 'vcpus=5'],
    which: { folder: folderOf('rmp-lock'), name: 'rmp-lock', set: { vcpus: '5' } },
  },
  {
    title: 'rmp-host-write-race, map-lock-user',
    argv: ['rmp-host-write-race', '--variant', 'map-lock-user'],
    which: { folder: folderOf('rmp-host-write-race'), name: 'rmp-host-write-race', variant: 'map-lock-user' },
  },
];
const WORKERS = [1, 2, 4] as const;
const ROUNDS = 3;

const nameOf = (workers: number): string => `${workers} ${workers === 1 ? 'worker' : 'workers'}`;

/** Whole processes, as a user would start them. */
function threadsTable({ title, argv }: Space, compiled: Compiled): Table {
  let counts: { readonly states: number; readonly transitions: number } | null = null;
  const turns = WORKERS.map((workers) => () => {
    const ended = compiled.cli(['explore', ...argv, '--workers', String(workers), '--json']);
    const { states, transitions } = JSON.parse(ended.stdout) as { states: number; transitions: number };
    if (counts && (counts.states !== states || counts.transitions !== transitions))
      throw new Error(
        `${nameOf(workers)}: ${states} states, ${transitions} transitions; others found ${counts.states}, ${counts.transitions}`,
      );
    counts = { states, transitions };
    return { [nameOf(workers)]: ended };
  });
  const laps = takeTurns(turns, ROUNDS);
  const { states, transitions } = counts!;
  const alone: readonly (readonly [string])[] = [[nameOf(1)]];
  const against = { [nameOf(2)]: alone, [nameOf(4)]: alone };
  return {
    title: `${title}: ${states} states, ${transitions} transitions; wall time of whole processes`,
    rates: ratesOf(laps, states, 'wall', against),
  };
}

function fingerprintTable({ title, which }: Space, compiled: Compiled): Table {
  const searched = (compact: boolean) => compiled.child<Searched>('search', { which, times: 2, compact });
  const [exact, compact] = [searched(false), searched(true)];
  if (exact.states !== compact.states || exact.transitions !== compact.transitions)
    throw new Error(`${title}: fingerprints find other counts`);
  const rows = (name: string, { usedBytesPerState, bytesPerState, states, laps }: Searched): Value[] => [
    { name: `${name}, in use with parent links`, value: usedBytesPerState, unit: 'bytes a state' },
    { name: `${name}, allocated`, value: bytesPerState, unit: 'bytes a state' },
    { name: `${name}, warm`, value: states / laps.at(-1)!.cpu, unit: 'states/s (cpu)' },
  ];
  return {
    title: `${title}: ${exact.states} states, exact and by fingerprints`,
    values: [...rows('exact', exact), ...rows('fingerprints', compact)],
  };
}

export const exploreWide: Figure = {
  name: 'explore-wide',
  summary: 'several threads against one, and fingerprints against exact states',
  run: () => withCompiled((compiled) => SPACES.flatMap((space) => [threadsTable(space, compiled), fingerprintTable(space, compiled)])),
};
