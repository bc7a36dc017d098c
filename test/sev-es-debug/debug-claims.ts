/**
 * DBG-1 to DBG-7, and all of DebugSwap: what a world switch of SEV-ES does to registers.
 * @see domain debug-and-split-lock F; seed 000
 */
import assert from 'node:assert/strict';
import { breaks, type Claim, keeps } from '../claims/claim.ts';
import * as w from './debug-world.ts';
import { INTERCEPT_CLAIMS } from './intercept-claims.ts';
import { found } from './worlds.ts';

const F = 'domain debug-and-split-lock F; seed 000';
const holds = { source: F, verdict: 'holds' } as const;
const READS = 'debug.registers-read-back';
const NEEDS = 'sev-es.host-registers';
const AREA = 'sevdbg-save-area';
const VC = 'sevdbg-dr7-by-vc';
const RESIDUE = 'sevdbg-residue';
const TRUSTS = 'sevdbg-trusting-host';
const LIES = 'sevdbg-lying-guest';

const switched: readonly Claim[] = [
  {
    ...holds,
    id: 'DBG-1',
    says: 'a plain guest exits at MOV DR where KVM has set the intercept, and not where it has dropped it',
    shows: [],
    mutants: ['sev-es-dr-intercept-unheeded', 'sev-es-dr-intercept-of-dr7'],
    why: 'an exit that does not come is no state: a count of exits shows it',
    check: (mutant) => {
      const plain = { swaps: false, vm: { type: 'svm' }, mutant };
      assert.deepEqual(w.exits([w.toDr(0, 0x5000), w.toDr(1, 0x6000)], plain), ['WRITE_DR']);
    },
  },
  {
    ...holds,
    id: 'DBG-2',
    says: 'each register follows its swap type from VMRUN to #VMEXIT',
    shows: [keeps(VC, 'dropped', NEEDS, 'sev-es-forgets-fs', 'sev-es-forgets-star')],
    mutants: ['sev-es-forgets-fs', 'sev-es-type-c-kept'],
    check: (mutant) => {
      const { cpu } = w.area({ mutant });
      assert.deepEqual([cpu.CR3, cpu.FS, cpu.RCX, cpu.CR2], ['host', 'host', 'zero', 'reset']);
    },
  },
  {
    ...holds,
    id: 'DBG-3',
    says: 'DR6 and DR7 of the host survive a world switch without help of software, with DebugSwap and without',
    shows: [],
    mutants: ['sev-es-dr7-lost', 'sev-es-r11-writes-dr7'],
    not: 'DR6: no code of the host that is modelled reads it behind an exit',
    why: 'R14 writes DR7 for every host but one that trusts the hardware, and a shipped one that does breaks for another reason',
    check: (mutant) => {
      const left = { 'kvm.hostBreakpoints': 'left-to-hardware', 'kvm.saveDebug': 'if-possible' } as const;
      assert.deepEqual(w.onHost(mutant, left), []);
      assert.deepEqual(w.onHost(mutant, left, { ...w.LYING, guest: w.HALTS }), []);
    },
  },
  {
    ...holds,
    id: 'DBG-4',
    says: 'without DebugSwap DR0 to DR3 are neither saved nor loaded: host and guests find what the last one wrote',
    shows: [
      breaks(TRUSTS, 'left-to-hardware', w.COPY, 'sev-es-dr-always-loaded'),
      breaks(RESIDUE, 'without', READS, 'sev-es-offers-debug-swap'),
    ],
    mutants: ['sev-es-dr-always-loaded', 'sev-es-offers-debug-swap'],
    check: (mutant) => {
      const trusts = { 'kvm.hostBreakpoints': 'left-to-hardware', 'kvm.saveDebug': 'if-possible' } as const;
      assert.deepEqual(w.onHost(mutant, trusts, w.LYING), [w.COPY]);
      assert.deepEqual(w.half([w.toDr(0, 0x5000)], { swaps: false, mutant }).vmsa.db, [0, 0, 0, 0]);
    },
  },
  {
    ...holds,
    id: 'DBG-5',
    says: 'with DebugSwap and nothing stored the host finds what its save area held before',
    shows: [
      breaks(AREA, 'never', w.COPY, 'sev-es-dr-type-a', 'sev-es-vmsa-without-debug-swap'),
      breaks(LIES, 'if-kvm-thinks', w.COPY, 'sev-es-dr-type-a'),
    ],
    mutants: ['sev-es-dr-type-a', 'sev-es-vmsa-without-debug-swap'],
    check: (mutant) => {
      const messages = found(
        w.small([w.toDr(0, 0x5000)], {
          ...w.WATCHES,
          always: [w.COPY],
          options: { 'kvm.saveDebug': 'never' },
          mutant,
          host: { preemption: 'full' },
        }),
      ).messages;
      assert.deepEqual(messages, ['the address mask of DR0 of pcpu:0 is 0x0; perf has set 0xf']);
      assert.equal(w.half([w.toDr(0, 0x5000)], { mutant }).vmsa.db[0], 0x5000);
    },
  },
  {
    ...holds,
    id: 'DBG-6',
    says: 'with DebugSwap and its registers stored the host finds its own, and the guest has its own in the VMSA',
    shows: [
      keeps(AREA, 'masks-only', w.COPY, 'sev-es-forgets-dr0-addr-mask'),
      keeps(AREA, 'masks-only', READS, 'sev-es-vmsa-without-debug-swap'),
    ],
    mutants: ['sev-es-forgets-dr0-addr-mask', 'sev-es-vmsa-without-debug-swap'],
    check: (mutant) => {
      assert.deepEqual(w.onHost(mutant, {}), []);
      assert.equal(w.half([w.toDr(0, 0x5000)], { mutant }).vmsa.db[0], 0x5000);
    },
  },
  {
    ...holds,
    id: 'DBG-7',
    says: 'without DebugSwap KVM cannot switch DR0 to DR3 of an encrypted guest: it writes none of them for it',
    shows: [breaks(RESIDUE, 'without', READS, 'sev-es-offers-debug-swap', 'sev-es-vmsa-with-debug-swap')],
    mutants: ['sev-es-offers-debug-swap', 'sev-es-kvm-writes-dr'],
    check: (mutant) => {
      const writes = w.run([w.toDr(0, 0x5000), w.fromDr(0)], { swaps: false, mutant }).delivered('dr.set');
      assert.deepEqual(
        writes.map(({ payload }) => payload),
        [],
      );
    },
  },
];

export const DEBUG_CLAIMS: readonly Claim[] = [...switched, ...INTERCEPT_CLAIMS];
