/**
 * Every RMP instruction from every page state: the whole table, as the ordered checks of the notes
 * have it, and what each instruction may change.
 * @see domain snp a.3, b.2, b.3; a.2
 */
import { describe, expect, it } from 'vitest';
import { checkAdjust, checkQuery, checkValidate, queryOut, readOut } from '../../../actors/sev-snp/rmp-rules.ts';
import { HYPERVISOR_PAGE, type PageState, pageStateOf } from '../../../actors/sev-snp/rmp-table.ts';
import type { RmpEntry } from '../../../events/sev-snp/rmp.ts';
import {
  assignedAs4K,
  entryOf,
  GFN,
  HEAD,
  INSNS,
  inRegion,
  owner,
  regionIn,
  SHARE,
  type Shape,
  SLOT_BEHIND,
  STATES,
  TAIL,
  TAKE,
  update,
} from './rmp-insns.ts';

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
 * set, clear, 2M set, 2M clear; RMPADJUST, 2M; RMPQUERY.
 */
const TABLE = `
Hypervisor    4K   | ok  ok  ok  ok  ok  | inp | npf npf npf npf | npf npf | npf
HV-Fixed      4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf | npf
Reclaim       4K   | ok  ok  ok  ovl ovl | inp | npf npf npf npf | npf npf | npf
Firmware      4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf | npf
Context       4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf | npf
Metadata      4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf | npf
Pre-Guest     4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf | ok
Pre-Swap      4K   | prm prm prm prm prm | inp | npf npf npf npf | npf npf | ok
Guest-Invalid 4K   | ok  ok  ok  ovl ovl | inp | ok  cf  siz siz | ok  siz | ok
Guest-Valid   4K   | ok  ok  ok  ovl ovl | inp | cf  ok  siz siz | ok  siz | ok
Reclaim       head | ovl ovl ovl ok  ok  | ok  | npf npf npf npf | npf npf | npf
Firmware      head | prm prm prm prm prm | prm | npf npf npf npf | npf npf | npf
Context       head | prm prm prm prm prm | prm | npf npf npf npf | npf npf | npf
Metadata      head | prm prm prm prm prm | prm | npf npf npf npf | npf npf | npf
Pre-Guest     head | prm prm prm prm prm | prm | npf npf npf npf | npf npf | ok
Pre-Swap      head | prm prm prm prm prm | prm | npf npf npf npf | npf npf | ok
Guest-Invalid head | ovl ovl ovl ok  ok  | ok  | szm szm ok  cf  | szm ok | ok
Guest-Valid   head | ovl ovl ovl ok  ok  | ok  | szm szm cf  ok  | szm ok | ok
Reclaim       tail | ovl ovl ovl inp inp | inp | npf npf inp inp | npf inp | npf
Firmware      tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp | npf
Context       tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp | npf
Metadata      tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp | npf
Pre-Guest     tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp | ok
Pre-Swap      tail | prm prm prm inp inp | inp | npf npf inp inp | npf inp | ok
Guest-Invalid tail | ovl ovl ovl inp inp | inp | szm szm inp inp | szm inp | ok
Guest-Valid   tail | ovl ovl ovl inp inp | inp | szm szm inp inp | szm inp | ok
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
  RMPQUERY: () => ({}),
};

describe('RMPREAD', () => {
  it.each(Object.keys(STATES) as PageState[])('of a page %s tells the slot but Validated, VMSA and permissions', (state) => {
    const { assigned, immutable, asid, gfn } = entryOf(state);
    expect(readOut({ ...entryOf(state), perms: [0xf, 1, 0, 0] })).toEqual({ assigned, pageSize: '4K', immutable, asid, gfn });
  });

  it('of a frame behind the head of a 2M entry tells a slot that is assigned, and of 4K', () => {
    const { entries } = regionIn('Guest-Valid', 'head');
    expect([HEAD, TAIL].map((pfn) => readOut(entries[pfn]!))).toEqual([
      { assigned: true, pageSize: '2M', immutable: false, asid: 1, gfn: GFN },
      { assigned: true, pageSize: '4K', immutable: false, asid: 0, gfn: 0 },
    ]);
  });
});

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

  it.each(CASES)('$insn of a page $state ($shape) ends the same in the machine of the region', ({ state, shape, insn }) => {
    const before = regionIn(state, shape);
    expect(inRegion(insn, before, pfnOf(shape))).toEqual(INSNS[insn]!(before, pfnOf(shape)));
  });

  it.each(CASES.filter(({ insn, verdict }) => verdict === 'SUCCESS' && insn !== 'RMPQUERY'))(
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
      expect(checkAdjust(regionIn('Guest-Valid', shape), { ...args, vmpl: 1, mask: 1 })).toBe('NPF');
      expect(checkQuery(regionIn('Guest-Valid', shape), { ...args, vmpl: 1 })).toBe('NPF');
    }
  });

  it('that writes nothing does not wait, and tells size, permissions and VMSA of the entry that counts', () => {
    const perms = [0xf, 0b101, 0b1, 0] as const;
    const region = (shape: Shape) => {
      const { entries, ...rest } = regionIn('Guest-Valid', shape);
      return { ...rest, inUse: [HEAD], entries: { ...entries, [HEAD]: { ...entries[HEAD]!, vmsa: true, perms } } };
    };
    for (const shape of ['4K', 'head', 'tail'] as const) {
      const page = { ...owner(pfnOf(shape), '4K'), vmpl: 2 };
      expect(checkQuery(region(shape), page)).toBe('SUCCESS');
      expect(queryOut(region(shape), page)).toEqual({ pageSize: shape === '4K' ? '4K' : '2M', perms: 0b1, vmsa: true });
    }
  });

  it('of a guest that asks for a VMPL hears of its own and of those below', () => {
    const asks = (current: number, vmpl: number) => checkQuery(regionIn('Guest-Valid', '4K'), { ...owner(HEAD, '4K'), current, vmpl });
    expect([asks(0, 0), asks(2, 3), asks(1, 0), asks(0, 4)]).toEqual(['SUCCESS', 'SUCCESS', 'FAIL_PERMISSION', 'FAIL_INPUT']);
    expect(checkQuery(regionIn('Hypervisor', '4K'), { ...owner(HEAD, '4K'), current: 1, vmpl: 0 })).toBe('FAIL_PERMISSION');
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
