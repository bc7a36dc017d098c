/**
 * Inside `actors/` and `sim/explore/` imports run one way, from room to room. Rooms of one rank do
 * not import each other.
 */
import { describe, expect, it } from 'vitest';
import { SHIPPED_MECHANISMS } from '../../sim/mechanisms/index.ts';
import { importsOf, isScript, projectFiles, textOf } from './source.ts';

interface House {
  /** The folders below it by rank, the lowest first; `.` has the files of the house itself. */
  readonly ranks: readonly (readonly string[])[];
  /**
   * Arrows that go up or sideways today, as `room -> file`, with what has to move. An arrow that is
   * gone has to go from here.
   */
  readonly known: Readonly<Record<string, string>>;
}

const HOUSES: Readonly<Record<string, House>> = {
  'actors/': {
    ranks: [['path'], ['host'], ['kvm'], ['svm', 'vmx', 'arm64'], SHIPPED_MECHANISMS.map(({ name }) => name)],
    known: {},
  },
  'sim/explore/': {
    ranks: [['space'], ['breadth', 'in-order', 'cycles', 'reduce'], ['together', 'sampling'], ['.']],
    known: {
      'breadth -> coverage.ts': 'a search fills the ledger of what it took: the ledger belongs to space/',
      'breadth -> reexecution.ts': 'every search executes reactions again: this belongs to space/',
      'breadth -> together/shard.ts': 'options name the shard they search: the type belongs to the options',
      'cycles -> breadth/explorer.ts': 'a cycle is looked for in the table that the driver of a search holds: the table belongs to space/',
      'cycles -> breadth/options.ts': 'the options of all searches: they belong below the rooms',
      'cycles -> explore.ts': 'types of what a search answers: they belong below the rooms',
      'cycles -> in-order/bounded.ts': 'a lasso within deviations walks the space that in-order/ bounds',
      'cycles -> in-order/pricing.ts': 'a lasso within deviations asks what a step costs',
      'in-order -> breadth/explorer.ts': 'types of the driver: its turns and its tables belong to space/',
      'in-order -> explore.ts': 'types of what a search answers: they belong below the rooms',
      'in-order -> guarantee.ts': 'a search that widens tells its guarantee itself: explore.ts could',
      'reduce -> breadth/explorer.ts': 'a type of the driver',
      'sampling -> coverage.ts': 'as that of breadth/',
      'sampling -> guarantee.ts': 'a sample tells its guarantee itself: explore.ts could',
      'sampling -> reexecution.ts': 'as that of breadth/',
      'together -> coverage.ts': 'as that of breadth/',
      'together -> explore.ts': 'types of what a search answers: they belong below the rooms',
      'together -> guarantee.ts': 'a shared search tells its guarantee itself: explore.ts could',
    },
  },
};

/** The room of a file of the house. */
const roomIn = (house: string, file: string): string =>
  file.slice(house.length).includes('/') ? file.slice(house.length).split('/')[0]! : '.';

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

describe.each(Object.entries(HOUSES))('rooms of %s', (house, { ranks, known }) => {
  const files = projectFiles().filter((file) => isScript(file) && file.startsWith(house));

  it('have a rank, each of them', () => {
    expect(files.length).toBeGreaterThanOrEqual(SEEN_MIN);
    expect([...new Set(files.map((file) => roomIn(house, file)))].filter((room) => !ranks.flat().includes(room))).toEqual([]);
  });

  it('are imported downward only, but for the arrows that are known', () => {
    const found = new Set(files.flatMap((file) => wrongArrows(house, file, textOf(file))));
    expect([...found].sort()).toEqual(Object.keys(known).sort());
  });
});

describe('the check of rooms', () => {
  it.each([
    ['actors/', 'actors/path/compile.ts', "import { pcpuMachine } from '../host/pcpu.ts';", 'path -> host/pcpu.ts'],
    ['actors/', 'actors/host/pcpu.ts', "import type { Vcpu } from '../kvm/guest-program.ts';", 'host -> kvm/guest-program.ts'],
    ['actors/', 'actors/kvm/kvm-run.ts', "import { exits } from '../svm/exits.ts';", 'kvm -> svm/exits.ts'],
    ['actors/', 'actors/svm/exits.ts', "import { exits } from '../vmx/exits.ts';", 'svm -> vmx/exits.ts'],
    ['actors/', 'actors/svm/exits.ts', "export type { Psp } from '../sev-snp/psp.ts';", 'svm -> sev-snp/psp.ts'],
    ['sim/explore/', 'sim/explore/space/trie.ts', "import { sample } from '../sampling/sample.ts';", 'space -> sampling/sample.ts'],
    ['sim/explore/', 'sim/explore/cycles/owed.ts', "import type { Orbit } from '../reduce/orbits.ts';", 'cycles -> reduce/orbits.ts'],
    ['sim/explore/', 'sim/explore/sampling/sample.ts', "import { explore } from '../explore.ts';", 'sampling -> explore.ts'],
  ])('refuses in %s: %s, %s', (house, file, text, arrow) => {
    expect(wrongArrows(house, file, text)).toEqual([arrow]);
  });

  it.each([
    ['actors/', 'actors/svm/exits.ts', "import { kvmRunPath } from '../kvm/kvm-run.ts';\nimport { path } from '../path/path.ts';"],
    ['actors/', 'actors/sev-snp/psp.ts', "import { exits } from '../svm/exits.ts';\nimport { rmp } from './rmp-check.ts';"],
    ['sim/explore/', 'sim/explore/explore.ts', "import { sample } from './sampling/sample.ts';\nimport { compare } from './compare.ts';"],
    ['sim/explore/', 'sim/explore/together/partition.ts', "import { Explorer } from '../breadth/explorer.ts';"],
    [
      'sim/explore/',
      'sim/explore/space/trie.ts',
      "// import { sample } from '../sampling/sample.ts';\nimport { offers } from '../../offers.ts';",
    ],
  ])('accepts in %s: %s, %s', (house, file, text) => {
    expect(wrongArrows(house, file, text)).toEqual([]);
  });
});
