/** VMRUN and #VMEXIT, by register: whose value each holds, and where. */
import { describe, expect, it } from 'vitest';
import { filledBy, isSwapped, REGISTER_NAMES, type RegisterName, SWAPPED, swapOf } from '../../../actors/sev-es-debug/swap-types.ts';
import { type GuestKind, HOST_NEEDS, registersOf, saved, vmexit, vmrun, type Worlds } from '../../../actors/sev-es-debug/world-switch.ts';

const ALL_ON = { debugSwap: true, virtTscAux: true };
const ALL_OFF = { debugSwap: false, virtTscAux: false };
const KINDS = { 'all features': ALL_ON, 'no feature': ALL_OFF };

/** Every register by whose value it is. */
const START: Worlds<string> = {
  cpu: registersOf(() => 'host'),
  hsave: registersOf(() => 'stale'),
  guest: registersOf(() => 'guest'),
};
/** The guest writes what it has. */
const written = (worlds: Worlds<string>): Worlds<string> => ({ ...worlds, cpu: registersOf(() => 'written') });
const entered = (kind: GuestKind, stores: readonly RegisterName[] = []) => vmrun({ ...START, hsave: saved(START, stores) }, kind);
const left = (kind: GuestKind, stores: readonly RegisterName[] = []) => vmexit(written(entered(kind, stores)), kind, 'reset');

/** A.2 once more, by hand: what the domain says of each register. */
const EXPECTED: Readonly<Record<'A' | 'B' | 'C', readonly string[]>> = {
  A: [
    ...['ES', 'CS', 'SS', 'DS', 'GDTR', 'IDTR', 'EFER', 'CR4', 'CR3', 'CR0', 'DR7', 'DR6', 'RFLAGS', 'RIP', 'RSP', 'RAX'],
    ...['G_PAT', 'DBGCTL', 'BR_FROM', 'BR_TO', 'LASTEXCP_FROM', 'LASTEXCP_TO'],
  ],
  B: [
    ...['FS', 'GS', 'LDTR', 'TR', 'XSS', 'DR0', 'DR1', 'DR2', 'DR3', 'STAR', 'LSTAR', 'CSTAR', 'SFMASK', 'KernelGsBase'],
    ...['DR0_ADDR_MASK', 'DR1_ADDR_MASK', 'DR2_ADDR_MASK', 'DR3_ADDR_MASK', 'SYSENTER_CS', 'SYSENTER_ESP', 'SYSENTER_EIP'],
    ...['PKRU', 'TSC_AUX', 'XCR0', 'RCX', 'RDX', 'RBX', 'RBP', 'RSI', 'RDI', 'R8', 'R9', 'R10', 'R11', 'R12', 'R13', 'R14', 'R15'],
  ],
  C: ['CR2', 'FPU'],
};
const typeExpected = (name: string) => (['A', 'B', 'C'] as const).find((type) => EXPECTED[type].includes(name));

describe('the table of registers', () => {
  it('has every register of the domain, and no other', () => {
    expect([...REGISTER_NAMES].sort()).toEqual([...EXPECTED.A, ...EXPECTED.B, ...EXPECTED.C].sort());
  });

  it('gives no two of them one offset, and none beyond a page', () => {
    const offsets = REGISTER_NAMES.map((name) => swapOf(name).offset);
    expect(new Set(offsets).size).toBe(offsets.length);
    expect(Math.max(...offsets)).toBeLessThan(0x1000);
  });

  it.each([
    ['XSS', 0x140],
    ['DR7', 0x160],
    ['DR0', 0x180],
    ['DR3_ADDR_MASK', 0x1b8],
    ['RSP', 0x1d8],
    ['RAX', 0x1f8],
    ['CR2', 0x240],
    ['G_PAT', 0x268],
    ['PKRU', 0x2e8],
    ['RCX', 0x308],
    ['R15', 0x378],
    ['XCR0', 0x3e8],
  ] as const)('has %s where the kernel has it, at %i', (name, offset) => {
    expect(SWAPPED[name].offset).toBe(offset);
  });
});

describe.each(Object.entries(KINDS))('DBG-2: a world switch to an SEV-ES guest with %s', (_, kind) => {
  it.each(REGISTER_NAMES)('treats %s by its swap type', (name) => {
    const type = isSwapped(name, kind) ? typeExpected(name) : 'none';
    const inGuest = entered(kind);
    const behind = left(kind);
    expect({ type, guest: inGuest.cpu[name], area: inGuest.hsave[name], host: behind.cpu[name], vmsa: behind.guest[name] }).toEqual(
      {
        A: { type, guest: 'guest', area: 'host', host: 'host', vmsa: 'written' },
        B: { type, guest: 'guest', area: 'stale', host: 'stale', vmsa: 'written' },
        C: { type, guest: 'guest', area: 'stale', host: 'reset', vmsa: 'written' },
        none: { type, guest: 'host', area: 'stale', host: 'written', vmsa: 'guest' },
      }[type!],
    );
  });
});

describe('the host behind an exit', () => {
  const stored = filledBy('vmsave', 'kvm', 'kvm-debug', 'vmenter', 'at-enable');

  it('finds all that it needs as it was, where software has stored what is of type B', () => {
    const { cpu } = left(ALL_ON, stored);
    expect(HOST_NEEDS.filter((name) => cpu[name] !== 'host')).toEqual([]);
  });

  it.each(stored.filter((name) => HOST_NEEDS.includes(name)))('DBG-21: finds a wrong %s where KVM leaves out its store', (name) => {
    const { cpu } = left(
      ALL_ON,
      stored.filter((other) => other !== name),
    );
    expect(HOST_NEEDS.filter((needed) => cpu[needed] !== 'host')).toEqual([name]);
  });

  it.each([true, false])('DBG-3: finds DR6 and DR7 as they were with DebugSwap %s, and no help', (debugSwap) => {
    const { cpu } = left({ ...ALL_OFF, debugSwap });
    expect([cpu.DR6, cpu.DR7]).toEqual(['host', 'host']);
  });

  it('DBG-4, DBG-23x: finds what the guest has written to DR0 where DebugSwap is off, and the area is not asked', () => {
    const { cpu, guest } = left(ALL_OFF, stored);
    expect([cpu.DR0, guest.DR0, entered(ALL_OFF, stored).cpu.DR0]).toEqual(['written', 'guest', 'host']);
  });

  it('DBG-5: finds what the area held in DR0 where DebugSwap is on and nothing was stored', () => {
    expect(left(ALL_ON).cpu.DR0).toBe('stale');
  });

  it('DBG-6: finds its own DR0 where it was stored, and the guest has its own', () => {
    const { cpu, guest } = left(ALL_ON, stored);
    expect([cpu.DR0, guest.DR0]).toEqual(['host', 'written']);
  });

  it('DBG-22: finds reset values of type C, whatever was stored', () => {
    const { cpu } = left(ALL_ON, REGISTER_NAMES);
    expect([cpu.CR2, cpu.FPU]).toEqual(['reset', 'reset']);
  });
});

describe('a world switch to a plain guest', () => {
  it('switches by VMRUN what is of type A, and by VMLOAD what VMSAVE stores; the rest stays', () => {
    const inGuest = entered('plain');
    for (const name of REGISTER_NAMES) {
      const isSwitched = swapOf(name).type === 'A' || swapOf(name).filledBy === 'vmsave';
      expect([name, inGuest.cpu[name]]).toEqual([name, isSwitched ? 'guest' : 'host']);
    }
  });

  it('brings the host back its own where KVM has done VMSAVE, and the area where it has not', () => {
    const written = (worlds: Worlds<string>) => vmexit(worlds, 'plain', 'reset').cpu;
    const good = written(entered('plain', filledBy('vmsave')));
    expect(REGISTER_NAMES.filter((name) => good[name] !== 'host')).toEqual([]);
    expect(REGISTER_NAMES.filter((name) => written(entered('plain'))[name] !== 'host')).toEqual(filledBy('vmsave'));
  });
});
