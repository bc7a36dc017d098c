/**
 * DBG-8 to DBG-12 and DBG-16 to DBG-25: a #DB that is delivered without end, intercepts, #VC at MOV
 * DR7, and statements of the thread that do not hold.
 * @see domain debug-and-split-lock F; seed 000
 */
import assert from 'node:assert/strict';
import { DB_STACK, VC_STACK } from '../../actors/guest-debug/db-delivery.ts';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import type { ProtectedDebugState } from '../../actors/sev-es-debug/protected-debug.ts';
import { DEADLOCK } from '../../sim/end.ts';
import { breaks, type Claim, keeps } from '../claims/claim.ts';
import type { Played } from '../sim/play.ts';
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
const VC_TARPIT = 'sevdbg-vc-tarpit';

/** An intercepted #DB is #VC in the guest. */
const BY_VC = { 'sev.interceptedDb': 'vc' } as const;

const KEPT = { 'kvm.dbIntercept': 'kept' } as const;
/** #DB that the guest has taken, and that KVM was told of. */
const takenIn = (run: Played): number => run.context<Vcpu>('vcpu:vm0/0').debug!.taken;
const told = (run: Played): number => run.delivered('kdb.db').length;

const tarpit: readonly Claim[] = [
  {
    ...holds,
    id: 'DBG-8',
    says: 'DebugSwap is not offered on a CPU without NoNestedDataBp',
    shows: [keeps(TARPIT, 'gated', DEADLOCK, 'sev-es-offers-debug-swap', 'sev-es-drops-both-intercepts')],
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
    shows: [keeps('sevdbg-nested-match', 'dropped', 'debug.no-cpu-hangs', 'sev-es-nested-data-bp', 'sev-es-nested-writes')],
    mutants: ['sev-es-nested-data-bp', 'sev-es-nested-writes'],
    check: (mutant) => {
      assert.deepEqual(w.brokenIn(w.TAR, { always: ['debug.no-cpu-hangs'], mutant }), []);
      assert.equal(w.account(w.TAR, { mutant }).taken, 1);
    },
  },
  {
    ...holds,
    id: 'DBG-11',
    says: 'where KVM intercepts #DB each delivery is an exit, and the host goes on; as #VC it hangs the CPU that watches its stack',
    shows: [breaks(VC_TARPIT, 'by-vc', DEADLOCK, 'sev-es-no-nested-data-bp', 'sev-es-drops-db-intercept')],
    why: 'of exits: a guest that gets no further ends no run, and so is in no shipped scenario',
    mutants: ['sev-es-drops-db-intercept', 'sev-es-offers-debug-swap'],
    check: (mutant) => {
      const options = { 'kvm.debugSwap': 'ungated', 'kvm.dbIntercept': 'kept' } as const;
      const hung = (stack: number, as: 'exit' | 'vc') =>
        w.brokenIn([...w.watching(stack), { insn: { writes: stack } }], {
          features: w.FEATURES,
          options: { ...options, 'sev.interceptedDb': as },
          always: ['debug.no-cpu-hangs'],
          mutant,
        }).length > 0;
      assert.deepEqual(
        [hung(DB_STACK, 'exit'), hung(VC_STACK, 'exit'), hung(DB_STACK, 'vc'), hung(VC_STACK, 'vc')],
        [false, false, false, true],
      );
    },
  },
  {
    ...holds,
    id: 'DBG-12',
    says: 'while #DB is delivered the CPU takes no interrupt: who waits for one waits without end',
    shows: [breaks(TARPIT, 'ungated', DEADLOCK, 'sev-es-vectoring-interruptible', 'sev-es-keeps-db-intercept')],
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
    shows: [breaks(VC, 'intercept-kept', COMES, 'sev-es-drops-dr7-intercept', 'sev-es-offers-debug-swap')],
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
    says: 'with #DB still intercepted a guest with DebugSwap gets each #DB, later; as #VC without a word to KVM',
    shows: [
      keeps(VC, 'db-intercept-kept', COMES, 'sev-es-db-dropped', 'debug-not-injected'),
      keeps(VC, 'db-intercept-by-vc', COMES, 'sev-es-vc-drops-db'),
    ],
    mutants: ['sev-es-db-dropped', 'sev-es-drops-db-intercept', 'sev-es-vc-drops-db'],
    check: (mutant) => {
      const [byExit, byVc] = [w.run(w.WATCHED, { options: KEPT, mutant }), w.run(w.WATCHED, { options: { ...KEPT, ...BY_VC }, mutant })];
      assert.deepEqual([byExit, byVc].map(takenIn), [1, 1]);
      assert.deepEqual([byExit, byVc].map(told), [1, 0]);
    },
  },
  {
    ...holds,
    id: 'DBG-18',
    says: 'a #DB that KVM intercepts and does not inject is lost to the guest',
    shows: [keeps(VC, 'db-intercept-kept', COMES, 'sev-es-db-dropped', 'debug-not-injected')],
    mutants: ['sev-es-db-dropped', 'debug-not-injected'],
    check: (mutant) => {
      assert.equal(w.account(w.STEPS, { swaps: false, mutant }).taken, 2);
      // As #VC none is KVM's to inject, and so none to lose.
      assert.equal(w.account(w.STEPS, { swaps: false, options: BY_VC, mutant: 'sev-es-db-dropped' }).taken, 2);
    },
  },
  {
    ...holds,
    id: 'DBG-19',
    says: 'KVM intercepts #DB of guests without DebugSwap, though with NoNestedDataBp none needs it',
    shows: [],
    mutants: ['sev-es-drops-db-intercept', 'sev-es-keeps-db-intercept'],
    why: 'the guest sees the same either way: how often KVM was told, or the handler of #VC ran, shows it',
    check: (mutant) => {
      const steps = (swaps: boolean, options = {}) => w.run(w.STEPS, { swaps, options, mutant });
      assert.deepEqual([told(steps(false)), told(steps(true))], [2, 0]);
      assert.deepEqual([told(steps(false, BY_VC)), takenIn(steps(false, BY_VC))], [0, 2]);
    },
  },
  {
    ...holds,
    id: 'DBG-20',
    says: 'a write of DR7 that reaches KVM changes nothing, and the guest goes on',
    shows: [
      breaks(VC, 'intercept-kept', COMES, 'sev-es-dr7-written', 'sev-es-drops-dr7-intercept'),
      keeps('sevdbg-dr7-exit', 'newest', READS, 'sev-es-kvm-writes-dr'),
    ],
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
    shows: [breaks(TRUSTS, 'left-to-hardware', w.COPY, 'sev-es-dr-always-loaded', 'sev-es-vmsa-with-debug-swap')],
    mutants: ['sev-es-dr-always-loaded', 'sev-es-vmsa-with-debug-swap'],
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
    shows: [breaks(AREA, 'never', w.COPY, 'sev-es-dr-type-a', 'sev-es-r14-writes-masks')],
    mutants: ['sev-es-dr-type-a', 'sev-es-r14-writes-masks'],
    check: (mutant) => {
      assert.deepEqual(w.onHost(mutant, { 'kvm.saveDebug': 'never' }), [w.COPY]);
    },
  },
  {
    ...holds,
    id: 'DBG-25',
    says: 'a guest that swallows #VC at a write of DR7 reads the value back, and DR7 of the CPU is as it was',
    shows: [keeps(VC, 'intercept-kept', READS, 'sev-es-vc-uncached', 'sev-es-vc-caches-reset')],
    mutants: ['sev-es-vc-uncached', 'sev-es-drops-dr7-intercept'],
    check: (mutant) => {
      const guest = [w.toDr(7, w.WRITE8), w.fromDr(7)];
      const { read } = w.account(guest, { swaps: false, mutant });
      assert.deepEqual([read?.value, w.half(guest, { swaps: false, mutant }).vmsa.dr7], [w.WRITE8, 0x400]);
    },
  },
];

export const INTERCEPT_CLAIMS: readonly Claim[] = [...tarpit, ...intercepts];
