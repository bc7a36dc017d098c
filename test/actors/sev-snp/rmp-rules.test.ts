/**
 * Every RMP instruction from every page state: the whole table, as the ordered checks of the notes
 * have it, and what each instruction may change.
 * @see domain snp a.3, b.2, b.3; h, I11
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ADJUST_CHECKS,
  checkAdjust,
  checkSmash,
  checkUpdate,
  checkValidate,
  SMASH_CHECKS,
  UPDATE_CHECKS,
  VALIDATE_CHECKS,
} from '../../../actors/sev-snp/rmp-rules.ts';
import {
  HYPERVISOR_PAGE,
  type PageState,
  pageStateOf,
  permsOf,
  type Region,
  readEntry,
  smashHead,
  smashTails,
  writePerms,
  writeUpdate,
  writeValidated,
} from '../../../actors/sev-snp/rmp-table.ts';
import type { RmpEntry, RmpUpdate } from '../../../events/sev-snp/rmp.ts';

const HEAD = 0x1000;
const TAIL = HEAD + 1;
const FRAMES = [HEAD, TAIL, HEAD + 2];
const GFN = 0x400;
const ASID = 1;

/** Columns "assigned | validated | ASID | immutable | GPA | VMSA" of the table of page states. */
const STATES: Readonly<Record<PageState, Partial<RmpEntry>>> = {
  Hypervisor: {},
  'HV-Fixed': { immutable: true },
  Reclaim: { assigned: true },
  Firmware: { assigned: true, immutable: true },
  Context: { assigned: true, immutable: true, vmsa: true },
  Metadata: { assigned: true, immutable: true, gfn: GFN },
  'Pre-Guest': { assigned: true, immutable: true, asid: ASID, gfn: GFN },
  'Pre-Swap': { assigned: true, immutable: true, asid: ASID, gfn: GFN, validated: true },
  'Guest-Invalid': { assigned: true, asid: ASID, gfn: GFN },
  'Guest-Valid': { assigned: true, asid: ASID, gfn: GFN, validated: true },
};
const entryOf = (state: PageState): RmpEntry => ({ ...HYPERVISOR_PAGE, ...STATES[state] });
const SLOT_BEHIND = { ...HYPERVISOR_PAGE, assigned: true };

type Shape = '4K' | 'head' | 'tail';
/** The page in this state: alone in its region as 4K, or as a 2M entry. */
function regionIn(state: PageState, shape: Shape): Region {
  const entry = entryOf(state);
  if (shape === '4K') return { entries: { [HEAD]: entry }, frames: FRAMES, subCount: entry.assigned ? 1 : 0, inUse: [] };
  const entries = { [HEAD]: { ...entry, pageSize: '2M' as const }, [TAIL]: SLOT_BEHIND, [HEAD + 2]: SLOT_BEHIND };
  return { entries, frames: FRAMES, subCount: 0, inUse: [] };
}

const SHARE: RmpUpdate = { assigned: false, pageSize: '4K', immutable: false, asid: 0, gfn: 0 };
const TAKE: RmpUpdate = { assigned: true, pageSize: '4K', immutable: false, asid: 2, gfn: 0x800 };
const LEND: RmpUpdate = { assigned: true, pageSize: '4K', immutable: true, asid: 0, gfn: 0 };

interface Done {
  readonly verdict: string;
  readonly region: Region;
}
type Insn = (region: Region, pfn: number) => Done;
const update =
  (operand: RmpUpdate): Insn =>
  (region, pfn) => {
    const verdict = checkUpdate(region, { pfn, update: operand });
    return { verdict, region: verdict === 'SUCCESS' ? writeUpdate(region, pfn, operand) : region };
  };
const smash: Insn = (region, pfn) => {
  const verdict = checkSmash(region, pfn);
  return { verdict, region: verdict === 'SUCCESS' ? smashHead(smashTails(region, pfn), pfn) : region };
};
/** The guest that owns the page, at VMPL 0. */
const owner = (pfn: number, size: '4K' | '2M') => ({ pfn, asid: ASID, gfn: GFN + (pfn - HEAD), size, current: 0 });
const pvalidate =
  (size: '4K' | '2M', validated: boolean): Insn =>
  (region, pfn) => {
    const verdict = checkValidate(region, { ...owner(pfn, size), validated });
    return { verdict, region: verdict === 'SUCCESS' ? writeValidated(region, pfn, validated) : region };
  };
const rmpadjust =
  (size: '4K' | '2M'): Insn =>
  (region, pfn) => {
    const args = { ...owner(pfn, size), vmpl: 1, mask: 0b11, vmsa: true };
    const verdict = checkAdjust(region, args);
    return { verdict, region: verdict === 'SUCCESS' ? writePerms(region, pfn, args) : region };
  };

const INSNS: Readonly<Record<string, Insn>> = {
  'RMPUPDATE to shared': update(SHARE),
  'RMPUPDATE to another guest': update(TAKE),
  'RMPUPDATE to the firmware': update(LEND),
  'RMPUPDATE 2M to another guest': update({ ...TAKE, pageSize: '2M' }),
  'RMPUPDATE 2M to shared': update({ ...SHARE, pageSize: '2M' }),
  PSMASH: smash,
  'PVALIDATE set': pvalidate('4K', true),
  'PVALIDATE clear': pvalidate('4K', false),
  'PVALIDATE 2M set': pvalidate('2M', true),
  'PVALIDATE 2M clear': pvalidate('2M', false),
  RMPADJUST: rmpadjust('4K'),
  'RMPADJUST 2M': rmpadjust('2M'),
};

const MEANS: Readonly<Record<string, string>> = {
  ok: 'SUCCESS',
  inp: 'FAIL_INPUT',
  prm: 'FAIL_PERMISSION',
  ovl: 'FAIL_OVERLAP',
  siz: 'FAIL_SIZEMISMATCH',
  cf: 'NO_CHANGE',
  npf: 'NPF',
  szm: 'NPF.SIZEM',
};

/**
 * RMPUPDATE to shared, to a guest, to the firmware, 2M to a guest, 2M to shared; PSMASH; PVALIDATE
 * set, clear, 2M set, 2M clear; RMPADJUST, 2M.
 */
const TABLE = `
Hypervisor    4K   | ok  ok  ok  ok  ok  | inp | npf npf npf npf | npf npf
HV-Fixed      4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf
Reclaim       4K   | ok  ok  ok  ovl ovl | inp | npf npf npf npf | npf npf
Firmware      4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf
Context       4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf
Metadata      4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf
Pre-Guest     4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf
Pre-Swap      4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf
Guest-Invalid 4K   | ok  ok  ok  ovl ovl | inp | ok  cf  siz siz | ok  siz
Guest-Valid   4K   | ok  ok  ok  ovl ovl | inp | cf  ok  siz siz | ok  siz
Reclaim       head | ovl ovl ovl ok  ok  | ok  | npf npf npf npf | npf npf
Firmware      head | prm prm prm prm prm | prm | npf npf npf npf | npf npf
Context       head | prm prm prm prm prm | prm | npf npf npf npf | npf npf
Metadata      head | prm prm prm prm prm | prm | npf npf npf npf | npf npf
Pre-Guest     head | prm prm prm prm prm | prm | npf npf npf npf | npf npf
Pre-Swap      head | prm prm prm prm prm | prm | npf npf npf npf | npf npf
Guest-Invalid head | ovl ovl ovl ok  ok  | ok  | szm szm ok  cf  | szm ok
Guest-Valid   head | ovl ovl ovl ok  ok  | ok  | szm szm cf  ok  | szm ok
Reclaim       tail | ovl ovl ovl inp inp | inp | npf npf inp inp | npf inp
Firmware      tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp
Context       tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp
Metadata      tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp
Pre-Guest     tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp
Pre-Swap      tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp
Guest-Invalid tail | ovl ovl ovl inp inp | inp | szm szm inp inp | szm inp
Guest-Valid   tail | ovl ovl ovl inp inp | inp | szm szm inp inp | szm inp
`;
const ROWS = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [state, shape, ...verdicts] = line.replaceAll('|', ' ').trim().split(/\s+/);
    return { state: state as PageState, shape: shape as Shape, verdicts };
  });
const CASES = ROWS.flatMap(({ state, shape, verdicts }) =>
  Object.keys(INSNS).map((insn, i) => ({ state, shape, insn, verdict: MEANS[verdicts[i]!]! })),
);
const pfnOf = (shape: Shape) => (shape === 'tail' ? TAIL : HEAD);

/** What a success of each instruction leaves, by frame; nothing else may differ. */
const guestEntry = { ...HYPERVISOR_PAGE, assigned: true, asid: 2, gfn: 0x800 };
const all = (entry: RmpEntry) => ({ [HEAD]: entry, [TAIL]: entry, [HEAD + 2]: entry });
const LEAVES: Readonly<Record<string, (old: RmpEntry) => Readonly<Record<number, RmpEntry>>>> = {
  'RMPUPDATE to shared': () => ({ [HEAD]: HYPERVISOR_PAGE }),
  'RMPUPDATE to another guest': () => ({ [HEAD]: guestEntry }),
  'RMPUPDATE to the firmware': () => ({ [HEAD]: { ...HYPERVISOR_PAGE, assigned: true, immutable: true } }),
  'RMPUPDATE 2M to another guest': () => ({ ...all(SLOT_BEHIND), [HEAD]: { ...guestEntry, pageSize: '2M' } }),
  'RMPUPDATE 2M to shared': () => all(HYPERVISOR_PAGE),
  PSMASH: (old) => {
    const one = { ...old, pageSize: '4K' } as const;
    return { [HEAD]: one, [TAIL]: { ...one, gfn: old.gfn + 1 }, [HEAD + 2]: { ...one, gfn: old.gfn + 2 } };
  },
  'PVALIDATE set': (old) => ({ [HEAD]: { ...old, validated: true } }),
  'PVALIDATE clear': (old) => ({ [HEAD]: { ...old, validated: false } }),
  'PVALIDATE 2M set': (old) => ({ [HEAD]: { ...old, validated: true } }),
  'PVALIDATE 2M clear': (old) => ({ [HEAD]: { ...old, validated: false } }),
  RMPADJUST: (old) => ({ [HEAD]: { ...old, vmsa: true, perms: [0xf, 0b11, 0, 0] } }),
  'RMPADJUST 2M': (old) => ({ [HEAD]: { ...old, vmsa: true, perms: [0xf, 0b11, 0, 0] } }),
};

/** Counted from what the entries say, and not as the instructions count. */
const assignedAs4K = ({ entries }: Region) =>
  entries[HEAD]?.assigned && entries[HEAD].pageSize === '2M' ? 0 : Object.values(entries).filter(({ assigned }) => assigned).length;

describe('page states', () => {
  it.each(Object.keys(STATES) as PageState[])('%s is told by the fields of its entry', (state) => {
    expect(pageStateOf(entryOf(state))).toBe(state);
  });

  it('of a guest stay so as VMSA', () => {
    expect(pageStateOf({ ...entryOf('Guest-Valid'), vmsa: true })).toBe('Guest-Valid');
    expect(pageStateOf({ ...entryOf('Pre-Swap'), vmsa: true })).toBe('Pre-Swap');
  });
});

describe('an RMP instruction', () => {
  it('has a row for every state that a page can be in, as 4K, head and tail', () => {
    const assigned = (Object.keys(STATES) as PageState[]).filter((state) => STATES[state].assigned);
    expect(new Set(ROWS.map(({ state, shape }) => `${state} ${shape}`)).size).toBe(10 + 2 * assigned.length);
    for (const { verdicts } of ROWS) expect(verdicts.length).toBe(Object.keys(INSNS).length);
  });

  it.each(CASES)('$insn of a page $state ($shape) ends with $verdict', ({ state, shape, insn, verdict }) => {
    const before = regionIn(state, shape);
    const after = INSNS[insn]!(before, pfnOf(shape));
    expect(after.verdict).toBe(verdict);
    const changes = verdict === 'SUCCESS' ? LEAVES[insn]!(before.entries[HEAD]!) : {};
    const entries = { ...before.entries, ...changes };
    expect(after.region).toEqual({ ...before, entries, subCount: assignedAs4K({ ...before, entries }) });
  });

  it.each(CASES.filter(({ verdict }) => verdict === 'SUCCESS'))(
    '$insn of a page $state ($shape) waits while it is in use',
    ({ state, shape, insn }) => {
      const before = { ...regionIn(state, shape), inUse: [HEAD] };
      const after = INSNS[insn]!(before, pfnOf(shape));
      expect(after).toEqual({ verdict: insn.startsWith('RMPUPDATE') || insn === 'PSMASH' ? 'FAIL_INUSE' : 'WAIT', region: before });
    },
  );

  it.each([
    ['another ASID', { asid: 2 }],
    ['another GPA', { gfn: GFN + 0x200 }],
  ])('of a guest at %s faults to the host', (_name, other) => {
    for (const [shape, size] of [
      ['4K', '4K'],
      ['head', '2M'],
      ['head', '4K'],
    ] as const) {
      const args = { ...owner(HEAD, size), ...other };
      expect(checkValidate(regionIn('Guest-Valid', shape), { ...args, validated: false })).toBe('NPF');
      expect(checkAdjust(regionIn('Guest-Valid', shape), { ...args, vmpl: 1, mask: 1, vmsa: false })).toBe('NPF');
    }
  });

  it('with a bad operand says so before it looks at the table', () => {
    const immutable = { ...regionIn('Firmware', '4K'), inUse: [HEAD] };
    for (const bad of [
      { ...SHARE, asid: 1 },
      { ...SHARE, immutable: true },
    ])
      expect(update(bad)(immutable, HEAD).verdict).toBe('FAIL_INPUT');
    expect(update({ ...TAKE, pageSize: '2M' })(immutable, TAIL).verdict).toBe('FAIL_INPUT');
    expect(update(SHARE)(immutable, HEAD).verdict).toBe('FAIL_INUSE');
  });

  it('2M over a neighbour of another owner is refused for what the neighbour is', () => {
    const free = regionIn('Hypervisor', '4K');
    const take = update({ ...TAKE, pageSize: '2M' });
    const behind = (state: PageState, subCount: number) => ({ ...free, entries: { [TAIL]: entryOf(state) }, subCount });
    expect(take(behind('Guest-Valid', 1), HEAD).verdict).toBe('FAIL_OVERLAP');
    expect(take(behind('HV-Fixed', 0), HEAD).verdict).toBe('FAIL_PERMISSION');
    expect(take({ ...free, inUse: [TAIL] }, HEAD).verdict).toBe('FAIL_INUSE');
  });
});

describe('VMPLs', () => {
  const valid = regionIn('Guest-Valid', '4K');
  const adjust = (current: number, vmpl: number, mask: number, region = valid) =>
    checkAdjust(region, { ...owner(HEAD, '4K'), current, vmpl, mask, vmsa: true });

  it('PVALIDATE is of VMPL 0 alone', () => {
    expect(checkValidate(valid, { ...owner(HEAD, '4K'), current: 1, validated: false })).toBe('#GP');
  });

  it.each([
    [0, 1, 'SUCCESS'],
    [0, 3, 'SUCCESS'],
    [0, 0, 'FAIL_PERMISSION'],
    [1, 1, 'FAIL_PERMISSION'],
    [2, 1, 'FAIL_PERMISSION'],
    [0, 4, 'FAIL_INPUT'],
  ])('RMPADJUST from VMPL %i of VMPL %i ends with %s', (current, vmpl, verdict) => {
    expect(adjust(current, vmpl, 0)).toBe(verdict);
  });

  it('RMPADJUST gives no permission that the caller lacks', () => {
    const granted = writePerms(valid, HEAD, { current: 0, vmpl: 1, mask: 0b11, vmsa: false });
    expect(permsOf(granted.entries[HEAD]!)).toEqual([0xf, 0b11, 0, 0]);
    expect([adjust(1, 2, 0b11, granted), adjust(1, 2, 0b111, granted), adjust(1, 2, 0b1, valid)]).toEqual([
      'SUCCESS',
      'FAIL_PERMISSION',
      'FAIL_PERMISSION',
    ]);
  });

  it('RMPADJUST writes the VMSA bit from VMPL 0 alone, and silently not from others', () => {
    const change = { vmpl: 2, mask: 0, vmsa: true };
    expect(writePerms(valid, HEAD, { ...change, current: 0 }).entries[HEAD]!.vmsa).toBe(true);
    expect(writePerms(valid, HEAD, { ...change, current: 1 }).entries[HEAD]!.vmsa).toBe(false);
  });

  it('RMPUPDATE resets permissions', () => {
    const granted = writePerms(valid, HEAD, { current: 0, vmpl: 1, mask: 0xf, vmsa: true });
    expect(permsOf(writeUpdate(granted, HEAD, TAKE).entries[HEAD]!)).toEqual([0xf, 0, 0, 0]);
  });
});

describe('RMPREAD', () => {
  it('reads the own slot, and of the region whether it is one 2M entry', () => {
    const { entries } = regionIn('Guest-Valid', 'head');
    const slot = { assigned: true, immutable: false, asid: 0, gfn: 0, pageSize: '4K', huge: true };
    expect(readEntry(entries, TAIL)).toEqual(slot);
    expect(readEntry(entries, HEAD)).toEqual({ ...slot, asid: ASID, gfn: GFN, pageSize: '2M' });
    expect(readEntry(regionIn('Guest-Valid', '4K').entries, HEAD)).toEqual({ ...slot, asid: ASID, gfn: GFN, huge: false });
  });
});

describe('PSMASH, half done', () => {
  it('still shows a 2M entry, so that 4K RMPUPDATE overlaps', () => {
    const half = smashTails(regionIn('Guest-Valid', 'head'), HEAD);
    expect(update(SHARE)(half, TAIL).verdict).toBe('FAIL_OVERLAP');
    expect(update(SHARE)(smashHead(half, HEAD), TAIL).verdict).toBe('SUCCESS');
  });
});

describe('the sub-entry count', () => {
  const operand = fc
    .constantFrom(SHARE, TAKE, LEND, { ...TAKE, asid: ASID, gfn: GFN })
    .chain((one) => fc.constantFrom('4K' as const, '2M' as const).map((pageSize) => update({ ...one, pageSize })));
  const insn = fc.oneof({ weight: 3, arbitrary: operand }, fc.constantFrom(...Object.values(INSNS)));
  const sequence = fc.array(fc.tuple(insn, fc.constantFrom(...FRAMES)), { maxLength: 30 });

  it('equals the number of frames assigned as 4K after any instructions (I11)', () => {
    const met = new Set<number>();
    fc.assert(
      fc.property(sequence, (steps) => {
        let region = regionIn('Hypervisor', '4K');
        for (const [one, pfn] of steps) {
          region = one(region, pfn).region;
          expect(region.subCount).toBe(assignedAs4K(region));
          met.add(region.subCount);
        }
      }),
      { seed: 14, numRuns: 500 },
    );
    expect([...met].sort()).toEqual([0, 1, 2, 3]);
  });
});

describe('the checks', () => {
  it.each([
    ['RMPUPDATE', UPDATE_CHECKS],
    ['PSMASH', SMASH_CHECKS],
    ['PVALIDATE', VALIDATE_CHECKS],
    ['RMPADJUST', ADJUST_CHECKS],
  ])('of %s have a name of their own each, and a grade that the notes can give', (_insn, checks) => {
    expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
    expect(checks.filter(({ grade }) => !['read', 'memory', 'decision'].includes(grade))).toEqual([]);
  });
});
