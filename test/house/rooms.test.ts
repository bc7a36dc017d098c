/**
 * Inside `actors/` and `sim/explore/` imports run one way, from room to room. Rooms of one rank do
 * not import each other.
 */
import { describe, expect, it } from 'vitest';
import { SHIPPED_MECHANISMS } from '../../sim/mechanisms/index.ts';
import { BUILDS_ON } from './builds-on.ts';
import { importsOf, isScript, projectFiles, textOf } from './source.ts';

interface House {
  /**
   * By rank, the lowest first: folders below it, and files of its own that stand lower than `.`,
   * which has all its other files.
   */
  readonly ranks: readonly (readonly string[])[];
}

const FOUNDATIONS = SHIPPED_MECHANISMS.map(({ name }) => name).filter((name) => BUILDS_ON[name] === undefined);

const HOUSES: Readonly<Record<string, House>> = {
  'actors/': {
    ranks: [['path'], ['host'], ['kit'], ['kvm'], ['svm', 'vmx', 'arm64'], FOUNDATIONS, Object.keys(BUILDS_ON)],
  },
  'sim/explore/': {
    // What a search asks and answers names the tables and ledgers of a search, and so stands above
    // them and below all searches. A lasso is found in a space that is searched already; its stem
    // is the least deviating way there, and so `cycles` stands above `in-order`.
    ranks: [
      ['space', 'covered'],
      ['request.ts'],
      ['turns.ts'],
      ['breadth', 'in-order', 'reduce'],
      ['cycles', 'classes', 'inspect'],
      ['together', 'sampling'],
      ['.'],
    ],
  },
};

/** The room of a file of the house. */
function roomIn(house: string, file: string): string {
  const [first, ...rest] = file.slice(house.length).split('/');
  return rest.length > 0 || HOUSES[house]!.ranks.flat().includes(first!) ? first! : '.';
}

const rankOf = (house: string, room: string): number => HOUSES[house]!.ranks.findIndex((rooms) => rooms.includes(room));

/** Imports of a file that go up or sideways, as `room -> file`. */
function wrongArrows(house: string, file: string, text: string): string[] {
  const from = roomIn(house, file);
  return importsOf(file, text).flatMap(({ to }) => {
    if (!to.startsWith(house)) return [];
    const room = roomIn(house, to);
    const goesDown = room === from || rankOf(house, room) < rankOf(house, from);
    return goesDown ? [] : [`${from} -> ${to.slice(house.length)}`];
  });
}

/** A scan that sees fewer files than this is broken, and would pass whatever they say. */
const SEEN_MIN = 30;

describe.each(Object.entries(HOUSES))('rooms of %s', (house, { ranks }) => {
  const files = projectFiles().filter((file) => isScript(file) && file.startsWith(house));

  it('have a rank, each of them', () => {
    expect(files.length).toBeGreaterThanOrEqual(SEEN_MIN);
    expect([...new Set(files.map((file) => roomIn(house, file)))].filter((room) => !ranks.flat().includes(room))).toEqual([]);
  });

  it('are imported downward only', () => {
    const found = new Set(files.flatMap((file) => wrongArrows(house, file, textOf(file))));
    expect([...found].sort()).toEqual([]);
  });
});

describe('a run', () => {
  /** Arrows from what runs a world to what searches all of its runs, each with its reason. */
  const INTO_SEARCHES: Readonly<Record<string, string>> = {
    'sim/session.ts -> sim/explore/sampling/shadow.ts': 'run --chooser draws a schedule by a strategy of samples',
  };

  it('imports no search', () => {
    const outside = projectFiles().filter((file) => isScript(file) && /^sim\/(?!explore\/)/.test(file));
    const arrows = outside.flatMap((file) =>
      importsOf(file, textOf(file)).flatMap(({ to }) => (to.startsWith('sim/explore/') ? [`${file} -> ${to}`] : [])),
    );
    expect(arrows).toEqual(Object.keys(INTO_SEARCHES));
  });
});

describe('tests', () => {
  it.each(Object.keys(HOUSES))('of %s lie in rooms of the same names', (house) => {
    const roomsBelow = (folder: string): string[] =>
      projectFiles().flatMap((file) =>
        file.startsWith(folder) && file.slice(folder.length).includes('/') ? [file.slice(folder.length).split('/')[0]!] : [],
      );
    const rooms = new Set(roomsBelow(house));
    expect([...new Set(roomsBelow(`test/${house}`))].filter((room) => !rooms.has(room))).toEqual([]);
  });
});

describe('the check of rooms', () => {
  it.each([
    ['actors/', 'actors/path/compile.ts', "import { pcpuMachine } from '../host/pcpu.ts';", 'path -> host/pcpu.ts'],
    ['actors/', 'actors/host/pcpu.ts', "import type { Vcpu } from '../kvm/guest-program.ts';", 'host -> kvm/guest-program.ts'],
    ['actors/', 'actors/kvm/kvm-run.ts', "import { exits } from '../svm/exits.ts';", 'kvm -> svm/exits.ts'],
    ['actors/', 'actors/svm/exits.ts', "import { exits } from '../vmx/exits.ts';", 'svm -> vmx/exits.ts'],
    ['actors/', 'actors/svm/exits.ts', "export type { Psp } from '../sev-snp/psp.ts';", 'svm -> sev-snp/psp.ts'],
    ['sim/explore/', 'sim/explore/space/trie.ts', "import { Sampler } from '../sampling/sampler.ts';", 'space -> sampling/sampler.ts'],
    ['sim/explore/', 'sim/explore/in-order/heap.ts', "import type { Orbit } from '../reduce/orbits.ts';", 'in-order -> reduce/orbits.ts'],
    ['sim/explore/', 'sim/explore/in-order/heap.ts', "import type { Turn } from '../cycles/turn.ts';", 'in-order -> cycles/turn.ts'],
    [
      'sim/explore/',
      'sim/explore/request.ts',
      "import type { Explorer } from './breadth/explorer.ts';",
      'request.ts -> breadth/explorer.ts',
    ],
    ['sim/explore/', 'sim/explore/request.ts', "import { finish } from './turns.ts';", 'request.ts -> turns.ts'],
    ['sim/explore/', 'sim/explore/sampling/sampler.ts', "import { explore } from '../explore.ts';", 'sampling -> explore.ts'],
  ])('refuses in %s: %s, %s', (house, file, text, arrow) => {
    expect(wrongArrows(house, file, text)).toEqual([arrow]);
  });

  it.each([
    ['actors/', 'actors/svm/exits.ts', "import { kvmRunPath } from '../kvm/kvm-run.ts';\nimport { path } from '../path/path.ts';"],
    ['actors/', 'actors/sev-snp/psp.ts', "import { exits } from '../svm/exits.ts';\nimport { rmp } from './rmp-check.ts';"],
    ['sim/explore/', 'sim/explore/explore.ts', "import { Sampler } from './sampling/sampler.ts';\nimport { compare } from './compare.ts';"],
    ['sim/explore/', 'sim/explore/together/partition.ts', "import { Explorer } from '../breadth/explorer.ts';"],
    ['sim/explore/', 'sim/explore/breadth/options.ts', "import type { ExploreRequest } from '../request.ts';"],
    [
      'sim/explore/',
      'sim/explore/space/trie.ts',
      "// import { Sampler } from '../sampling/sampler.ts';\nimport { offers } from '../../offers.ts';",
    ],
  ])('accepts in %s: %s, %s', (house, file, text) => {
    expect(wrongArrows(house, file, text)).toEqual([]);
  });
});
