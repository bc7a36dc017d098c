/**
 * DBG-8 to DBG-12 and DBG-16 to DBG-25: a #DB that is delivered without end, intercepts, #VC at MOV
 * DR7, and statements of the thread that do not hold.
 * @see domain debug-and-split-lock F; seed 000
 */
import assert from 'node:assert/strict';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import type { ProtectedDebugState } from '../../actors/sev-es-debug/protected-debug.ts';
import { DEADLOCK } from '../../sim/end.ts';
import { breaks, type Claim, keeps } from '../claims/claim.ts';
import * as w from './debug-world.ts';

const F = 'domain debug-and-split-lock F; seed 000';
const holds = { source: F, verdict: 'holds' } as const;
const COMES = 'debug.exception-comes';
const READS = 'debug.registers-read-back';
const NEEDS = 'sev-es.host-registers';
const AREA = 'sevdbg-save-area';
const VC = 'sevdbg-dr7-by-vc';
const TARPIT = 'sevdbg-db-tarpit';
const TRUSTS = 'sevdbg-trusting-host';

const tarpit: readonly Claim[] = [
  {
    ...holds,
    id: 'DBG-8',
    says: 'DebugSwap is not offered on a CPU without NoNestedDataBp',
    shows: [keeps(TARPIT, 'gated', DEADLOCK, 'sev-es-offers-debug-swap')],
    mutants: ['sev-es-offers-debug-swap', 'sev-es-vmsa-without-debug-swap'],
    check: (mutant) => {
      assert.equal(w.half([w.toDr(0, 1)], { features: w.FEATURES, mutant }).debugSwap, false);
      assert.equal(w.half([w.toDr(0, 1)], { mutant }).debugSwap, true);
    },
  },
  {
    ...holds,
    id: 'DBG-9',
    says: 'a #DB whose delivery hits a data breakpoint keeps the CPU in its delivery',
    shows: [breaks(TARPIT, 'ungated', DEADLOCK, 'sev-es-no-nested-data-bp', 'sev-es-keeps-db-intercept')],
    mutants: ['sev-es-no-nested-data-bp', 'sev-es-keeps-db-intercept'],
    check: (mutant) => {
      const hangs = { features: w.FEATURES, options: { 'kvm.debugSwap': 'ungated' }, always: ['debug.no-cpu-hangs'], mutant } as const;
      assert.deepEqual(w.brokenIn(w.TAR, hangs), ['debug.no-cpu-hangs']);
    },
  },
  {
    ...holds,
    id: 'DBG-10',
    says: 'with NoNestedDataBp one #DB is delivered, and the nested match is ignored',
    shows: [],
    mutants: ['sev-es-nested-data-bp'],
    why: 'NoNestedDataBp is a feature of a host, which no variant of a scenario changes',
    check: (mutant) => {
      assert.deepEqual(w.brokenIn(w.TAR, { always: ['debug.no-cpu-hangs'], mutant }), []);
      assert.equal(w.account(w.TAR, { mutant }).taken, 1);
    },
  },
  {
    ...holds,
    id: 'DBG-11',
    says: 'where KVM intercepts #DB each delivery is an exit, and the host goes on',
    shows: [],
    why: 'a guest that gets no further ends no run, and so is in no shipped scenario',
    mutants: ['sev-es-drops-db-intercept', 'sev-es-offers-debug-swap'],
    not: 'that Linux takes such a #DB as #VC, and KVM is not asked',
    check: (mutant) => {
      const options = { 'kvm.debugSwap': 'ungated', 'kvm.dbIntercept': 'kept' } as const;
      assert.deepEqual(w.brokenIn(w.TAR, { features: w.FEATURES, options, always: ['debug.no-cpu-hangs'], mutant }), []);
    },
  },
  {
    ...holds,
    id: 'DBG-12',
    says: 'while #DB is delivered the CPU takes no interrupt: who waits for one waits without end',
    shows: [breaks(TARPIT, 'ungated', DEADLOCK, 'sev-es-vectoring-interruptible')],
    mutants: ['sev-es-vectoring-interruptible', 'sev-es-keeps-db-intercept'],
    not: 'a notify exit, which Intel has and AMD has not',
    check: (mutant) => {
      const hangs = { features: w.FEATURES, options: { 'kvm.debugSwap': 'ungated' }, mutant } as const;
      const kicks = { host: { cpus: 2 }, threads: [[{ madvise: { vm: 'vm0' } }]] };
      assert.deepEqual(w.brokenIn(w.TAR, { ...hangs, ...kicks }), [DEADLOCK]);
    },
  },
];

const intercepts: readonly Claim[] = [
  {
    ...holds,
    id: 'DBG-16',
    says: 'DebugSwap with MOV DR7 intercepted arms no breakpoint',
    shows: [breaks(VC, 'intercept-kept', COMES, 'sev-es-drops-dr7-intercept')],
    mutants: ['sev-es-drops-dr7-intercept', 'sev-es-offers-debug-swap'],
    check: (mutant) => {
      const options = { 'kvm.dr7Intercept': 'kept', 'guest.vcDr7': 'swallow' } as const;
      assert.equal(w.half(w.WATCHED, { options, mutant }).vmsa.dr7, 0x400);
      const linux = w.run(w.WATCHED, { options: { 'kvm.dr7Intercept': 'kept' }, mutant }).delivered('vmexit');
      assert.equal(JSON.stringify(linux.at(-1)?.payload).includes('TERMINATE'), true);
    },
  },
  {
    ...holds,
    id: 'DBG-17',
    says: 'with #DB still intercepted a guest with DebugSwap gets each #DB, later',
    shows: [keeps(VC, 'db-intercept-kept', COMES, 'sev-es-db-dropped')],
    mutants: ['sev-es-db-dropped', 'sev-es-drops-db-intercept'],
    not: 'that Linux takes such a #DB as #VC, and KVM is not asked',
    check: (mutant) => {
      const kept = w.run(w.WATCHED, { options: { 'kvm.dbIntercept': 'kept' }, mutant });
      assert.equal(kept.context<Vcpu>('vcpu:vm0/0').debug!.taken, 1);
      assert.equal(kept.delivered('kdb.db').length, 1);
    },
  },
  {
    ...holds,
    id: 'DBG-18',
    says: 'a #DB that KVM intercepts and does not inject is lost to the guest',
    shows: [keeps(VC, 'db-intercept-kept', COMES, 'sev-es-db-dropped')],
    mutants: ['sev-es-db-dropped', 'debug-not-injected'],
    not: 'that Linux takes such a #DB as #VC, and KVM is not asked',
    check: (mutant) => {
      assert.equal(w.account(w.STEPS, { swaps: false, mutant }).taken, 2);
    },
  },
  {
    ...holds,
    id: 'DBG-19',
    says: 'KVM intercepts #DB of guests without DebugSwap, though with NoNestedDataBp none needs it',
    shows: [],
    mutants: ['sev-es-drops-db-intercept', 'sev-es-keeps-db-intercept'],
    why: 'the guest sees the same either way: how often KVM was told shows it',
    not: 'that Linux takes such a #DB as #VC, and KVM is not asked',
    check: (mutant) => {
      const dbExits = (swaps: boolean) => w.run(w.STEPS, { swaps, mutant }).delivered('kdb.db').length;
      assert.deepEqual([dbExits(false), dbExits(true)], [2, 0]);
    },
  },
  {
    ...holds,
    id: 'DBG-20',
    says: 'a write of DR7 that reaches KVM changes nothing, and the guest goes on',
    shows: [breaks(VC, 'intercept-kept', COMES, 'sev-es-dr7-written')],
    mutants: ['sev-es-dr7-written', 'sev-es-drops-dr7-intercept'],
    check: (mutant) => {
      const told = w.run([w.toDr(7, w.WRITE8), w.fromDr(7)], { swaps: false, mutant });
      const { exception, vmsa } = told.context<ProtectedDebugState>('kdb:vm0/0');
      assert.deepEqual([exception, vmsa.dr7, told.context<Vcpu>('vcpu:vm0/0').debug!.taken], [null, 0x400, 0]);
    },
  },
  {
    ...holds,
    id: 'DBG-21',
    says: 'each store of a register of type B that KVM leaves out gives the host a wrong value',
    shows: [keeps(VC, 'dropped', NEEDS, 'sev-es-forgets-xcr0', 'sev-es-forgets-pkru', 'sev-es-forgets-xss', 'sev-es-forgets-rbx')],
    mutants: ['sev-es-forgets-xcr0', 'sev-es-forgets-pkru', 'sev-es-forgets-xss', 'sev-es-forgets-dr3-addr-mask'],
    check: (mutant) => {
      assert.deepEqual(w.brokenIn(w.HALTS, { always: [NEEDS], mutant }), []);
    },
  },
  {
    ...holds,
    id: 'DBG-22',
    says: 'registers of type C hold their reset values behind an exit, and the host has its own elsewhere',
    shows: [],
    mutants: ['sev-es-type-c-kept', 'sev-es-type-c-left'],
    why: 'no code of the host that is modelled reads CR2 or the FPU behind an exit',
    check: (mutant) => {
      const { cpu } = w.area({ mutant });
      assert.deepEqual([cpu.CR2, cpu.FPU], ['reset', 'reset']);
    },
  },
  {
    source: F,
    verdict: 'refuted',
    id: 'DBG-23',
    says: 'without DebugSwap the CPU saves and loads debug registers',
    shows: [breaks(TRUSTS, 'left-to-hardware', w.COPY, 'sev-es-dr-always-loaded')],
    mutants: ['sev-es-dr-always-loaded'],
    check: (mutant) => {
      const trusts = { 'kvm.hostBreakpoints': 'left-to-hardware', 'kvm.saveDebug': 'if-possible' } as const;
      assert.deepEqual(w.onHost(mutant, trusts, w.LYING), [w.COPY]);
    },
  },
  {
    source: F,
    verdict: 'refuted',
    id: 'DBG-24',
    says: 'DebugSwap has nothing to do with types A and B: no store of the host is needed',
    shows: [breaks(AREA, 'never', w.COPY, 'sev-es-dr-type-a')],
    mutants: ['sev-es-dr-type-a'],
    check: (mutant) => {
      assert.deepEqual(w.onHost(mutant, { 'kvm.saveDebug': 'never' }), [w.COPY]);
    },
  },
  {
    ...holds,
    id: 'DBG-25',
    says: 'a guest that swallows #VC at a write of DR7 reads the value back, and DR7 of the CPU is as it was',
    shows: [keeps(VC, 'intercept-kept', READS, 'sev-es-vc-uncached')],
    mutants: ['sev-es-vc-uncached', 'sev-es-drops-dr7-intercept'],
    check: (mutant) => {
      const guest = [w.toDr(7, w.WRITE8), w.fromDr(7)];
      const { read } = w.account(guest, { swaps: false, mutant });
      assert.deepEqual([read?.value, w.half(guest, { swaps: false, mutant }).vmsa.dr7], [w.WRITE8, 0x400]);
    },
  },
];

export const INTERCEPT_CLAIMS: readonly Claim[] = [...tarpit, ...intercepts];
