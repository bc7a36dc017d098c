/**
 * DBG-1 to DBG-12 and DBG-16 to DBG-25: what a world switch of SEV-ES does to registers, DebugSwap,
 * #VC at MOV DR7, and a #DB that is delivered without end.
 * @see domain debug-and-split-lock F; seed 000
 */
import assert from 'node:assert/strict';
import { DB_STACK } from '../../actors/guest-debug/x86-debug-rule.ts';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import type { HostSaveAreaState } from '../../actors/sev-es-debug/host-save-area.ts';
import type { ProtectedDebugState } from '../../actors/sev-es-debug/protected-debug.ts';
import type { MechanismOptions } from '../../events/options.ts';
import { DEADLOCK } from '../../sim/end.ts';
import type { GuestStep } from '../../sim/scenario/program.ts';
import { breaks, type Claim, keeps } from '../claims/claim.ts';
import { play } from '../sim/play.ts';
import { found, type SevEsWorld, world } from './worlds.ts';

const F = 'domain debug-and-split-lock F; seed 000';
const holds = { source: F, verdict: 'holds' } as const;

const COPY = 'debug.host-registers-are-the-copy';
const COMES = 'debug.exception-comes';
const READS = 'debug.registers-read-back';
const NEEDS = 'sev-es.host-registers';
const AREA = 'sevdbg-save-area';
const VC = 'sevdbg-dr7-by-vc';
const TARPIT = 'sevdbg-db-tarpit';
const RESIDUE = 'sevdbg-residue';
const TRUSTS = 'sevdbg-trusting-host';
const LIES = 'sevdbg-lying-guest';

const WRITE8 = 0x9_0401;
const toDr = (dr: 0 | 1 | 7, value: number): GuestStep => ({ 'mov-to-dr': { dr, value } });
const fromDr = (dr: 0 | 7): GuestStep => ({ 'mov-from-dr': { dr } });
const WATCHED: readonly GuestStep[] = [toDr(0, 0x5000), toDr(7, WRITE8), { insn: { writes: 0x5000 } }];
const TAR: readonly GuestStep[] = [toDr(0, DB_STACK), toDr(7, WRITE8), { icebp: {} }];
const HALTS: readonly GuestStep[] = [{ hlt: {} }];
const FEATURES = ['sev', 'sev-es', 'sev-snp', 'debug-swap'] as const;
const SAFE = [...FEATURES, 'no-nested-data-bp'] as const;

interface Small extends Partial<SevEsWorld> {
  readonly swaps?: boolean;
  readonly options?: Partial<MechanismOptions>;
  readonly features?: readonly string[];
  readonly always?: readonly string[];
}
/** A guest that asks for DebugSwap unless told otherwise, in order on one CPU. */
const small = (guest: readonly GuestStep[], { swaps = true, options = {}, features = SAFE, always = [], ...rest }: Small = {}) =>
  world({
    guest,
    properties: { always },
    ...rest,
    vm: { ...(swaps && { options: { vmsaFeatures: ['debug-swap'] } }), ...rest.vm },
    host: { features, options, preemption: 'none', ...rest.host },
  });

const run = (guest: readonly GuestStep[], rest: Small = {}) => play(small(guest, rest), { name: 'fifo' });
const account = (guest: readonly GuestStep[], rest: Small = {}) => run(guest, rest).context<Vcpu>('vcpu:vm0/0').debug!;
const half = (guest: readonly GuestStep[], rest: Small = {}) => run(guest, rest).context<ProtectedDebugState>('kdb:vm0/0');
const area = (rest: Small = {}) => run(HALTS, rest).context<HostSaveAreaState>('hsave:0');
const brokenIn = (guest: readonly GuestStep[], rest: Small = {}): readonly string[] => found(small(guest, rest)).broken;
const exits = (guest: readonly GuestStep[], rest: Small): readonly string[] =>
  run(guest, rest)
    .delivered('vmexit')
    .map(({ payload }) => (payload as { readonly reason: string }).reason)
    .filter((reason) => reason.includes('DR'));

/** perf watches an address while the guest runs. */
const WATCHES = { threads: [[{ 'perf-breakpoint': { cpu: 0, address: 0x1000, length: 16 } }]] } as const;
const onHost = (mutant: string | undefined, options: Partial<MechanismOptions>, rest: Small = {}): readonly string[] =>
  brokenIn([toDr(0, 0x5000)], { ...WATCHES, always: [COPY], options, mutant, host: { preemption: 'full' }, ...rest });

/** KVM believes in DebugSwap, and the VMSA lacks it. */
const LYING: Small = { vm: { type: 'snp', options: { vmsaFeatures: ['debug-swap'], guestVmsaFeatures: [] } } };

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
      assert.deepEqual(exits([toDr(0, 0x5000), toDr(1, 0x6000)], plain), ['WRITE_DR']);
    },
  },
  {
    ...holds,
    id: 'DBG-2',
    says: 'each register follows its swap type from VMRUN to #VMEXIT',
    shows: [keeps(VC, 'dropped', NEEDS, 'sev-es-forgets-fs', 'sev-es-forgets-star')],
    mutants: ['sev-es-forgets-fs', 'sev-es-type-c-kept'],
    check: (mutant) => {
      const { cpu } = area({ mutant });
      assert.deepEqual([cpu.CR3, cpu.FS, cpu.RCX, cpu.CR2], ['host', 'host', 'zero', 'reset']);
    },
  },
  {
    ...holds,
    id: 'DBG-3',
    says: 'DR6 and DR7 of the host survive a world switch without help of software, with DebugSwap and without',
    shows: [],
    mutants: ['sev-es-dr7-lost'],
    why: 'R14 writes DR7 for every host but one that trusts the hardware, and a shipped one that does breaks for another reason',
    check: (mutant) => {
      assert.deepEqual(onHost(mutant, { 'kvm.hostBreakpoints': 'left-to-hardware', 'kvm.saveDebug': 'if-possible' }), []);
    },
  },
  {
    ...holds,
    id: 'DBG-4',
    says: 'without DebugSwap DR0 to DR3 are neither saved nor loaded: host and guests find what the last one wrote',
    shows: [
      breaks(TRUSTS, 'left-to-hardware', COPY, 'sev-es-dr-always-loaded'),
      breaks(RESIDUE, 'without', READS, 'sev-es-offers-debug-swap'),
    ],
    mutants: ['sev-es-dr-always-loaded', 'sev-es-offers-debug-swap'],
    check: (mutant) => {
      const trusts = { 'kvm.hostBreakpoints': 'left-to-hardware', 'kvm.saveDebug': 'if-possible' } as const;
      if (mutant !== 'sev-es-offers-debug-swap') assert.deepEqual(onHost(mutant, trusts, LYING), [COPY]);
      assert.deepEqual(half([toDr(0, 0x5000)], { swaps: false, mutant }).vmsa.db, [0, 0, 0, 0]);
    },
  },
  {
    ...holds,
    id: 'DBG-5',
    says: 'with DebugSwap and nothing stored the host finds what its save area held before',
    shows: [breaks(AREA, 'never', COPY, 'sev-es-dr-type-a'), breaks(LIES, 'if-kvm-thinks', COPY, 'sev-es-dr-type-a')],
    mutants: ['sev-es-dr-type-a', 'sev-es-vmsa-without-debug-swap'],
    check: (mutant) => {
      const messages = found(
        small([toDr(0, 0x5000)], {
          ...WATCHES,
          always: [COPY],
          options: { 'kvm.saveDebug': 'never' },
          mutant,
          host: { preemption: 'full' },
        }),
      ).messages;
      assert.deepEqual(messages, ['the address mask of DR0 of pcpu:0 is 0x0; perf has set 0xf']);
      assert.equal(half([toDr(0, 0x5000)], { mutant }).vmsa.db[0], 0x5000);
    },
  },
  {
    ...holds,
    id: 'DBG-6',
    says: 'with DebugSwap and its registers stored the host finds its own, and the guest has its own in the VMSA',
    shows: [
      keeps(AREA, 'masks-only', COPY, 'sev-es-forgets-dr0-addr-mask'),
      keeps(AREA, 'masks-only', READS, 'sev-es-vmsa-without-debug-swap'),
    ],
    mutants: ['sev-es-forgets-dr0-addr-mask', 'sev-es-vmsa-without-debug-swap'],
    check: (mutant) => {
      assert.deepEqual(onHost(mutant, {}), []);
      assert.equal(half([toDr(0, 0x5000)], { mutant }).vmsa.db[0], 0x5000);
    },
  },
  {
    ...holds,
    id: 'DBG-7',
    says: 'without DebugSwap KVM cannot switch DR0 to DR3 of an encrypted guest: it writes none of them for it',
    shows: [breaks(RESIDUE, 'without', READS, 'sev-es-offers-debug-swap')],
    mutants: ['sev-es-offers-debug-swap'],
    check: (mutant) => {
      const writes = run([toDr(0, 0x5000), fromDr(0)], { swaps: false, mutant }).delivered('dr.set');
      assert.deepEqual(
        writes.map(({ payload }) => payload),
        [],
      );
    },
  },
];

const tarpit: readonly Claim[] = [
  {
    ...holds,
    id: 'DBG-8',
    says: 'DebugSwap is not offered on a CPU without NoNestedDataBp',
    shows: [keeps(TARPIT, 'gated', DEADLOCK, 'sev-es-offers-debug-swap')],
    mutants: ['sev-es-offers-debug-swap'],
    check: (mutant) => {
      assert.equal(half([toDr(0, 1)], { features: FEATURES, mutant }).debugSwap, false);
      assert.equal(half([toDr(0, 1)], { mutant }).debugSwap, true);
    },
  },
  {
    ...holds,
    id: 'DBG-9',
    says: 'a #DB whose delivery hits a data breakpoint keeps the CPU in its delivery',
    shows: [breaks(TARPIT, 'ungated', DEADLOCK, 'sev-es-no-nested-data-bp', 'sev-es-keeps-db-intercept')],
    mutants: ['sev-es-no-nested-data-bp', 'sev-es-keeps-db-intercept'],
    check: (mutant) => {
      const hangs = { features: FEATURES, options: { 'kvm.debugSwap': 'ungated' }, always: ['debug.no-cpu-hangs'], mutant } as const;
      assert.deepEqual(brokenIn(TAR, hangs), ['debug.no-cpu-hangs']);
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
      assert.deepEqual(brokenIn(TAR, { always: ['debug.no-cpu-hangs'], mutant }), []);
      assert.equal(account(TAR, { mutant }).taken, 1);
    },
  },
  {
    ...holds,
    id: 'DBG-11',
    says: 'where KVM intercepts #DB each delivery is an exit, and the host goes on',
    shows: [keeps(TARPIT, 'intercepted', DEADLOCK, 'sev-es-drops-db-intercept')],
    mutants: ['sev-es-drops-db-intercept'],
    check: (mutant) => {
      const options = { 'kvm.debugSwap': 'ungated', 'kvm.dbIntercept': 'kept' } as const;
      assert.deepEqual(brokenIn(TAR, { features: FEATURES, options, always: ['debug.no-cpu-hangs'], mutant }), []);
    },
  },
  {
    ...holds,
    id: 'DBG-12',
    says: 'while #DB is delivered the CPU takes no interrupt: who waits for one waits without end',
    shows: [breaks(TARPIT, 'ungated', DEADLOCK, 'sev-es-vectoring-interruptible')],
    mutants: ['sev-es-vectoring-interruptible'],
    not: 'a notify exit, which Intel has and AMD has not',
    check: (mutant) => {
      const hangs = { features: FEATURES, options: { 'kvm.debugSwap': 'ungated' }, mutant } as const;
      const kicks = { host: { cpus: 2 }, threads: [[{ madvise: { vm: 'vm0' } }]] };
      assert.deepEqual(brokenIn(TAR, { ...hangs, ...kicks }), [DEADLOCK]);
    },
  },
];

const intercepts: readonly Claim[] = [
  {
    ...holds,
    id: 'DBG-16',
    says: 'DebugSwap with MOV DR7 intercepted arms no breakpoint',
    shows: [breaks(VC, 'intercept-kept', COMES, 'sev-es-drops-dr7-intercept')],
    mutants: ['sev-es-drops-dr7-intercept'],
    check: (mutant) => {
      const options = { 'kvm.dr7Intercept': 'kept', 'guest.vcDr7': 'swallow' } as const;
      assert.equal(half(WATCHED, { options, mutant }).vmsa.dr7, 0x400);
    },
  },
  {
    ...holds,
    id: 'DBG-17',
    says: 'with #DB still intercepted a guest with DebugSwap gets each #DB, later',
    shows: [keeps(VC, 'db-intercept-kept', COMES, 'sev-es-db-dropped')],
    mutants: ['sev-es-db-dropped', 'sev-es-drops-db-intercept'],
    check: (mutant) => {
      const kept = run(WATCHED, { options: { 'kvm.dbIntercept': 'kept' }, mutant });
      assert.equal(kept.context<Vcpu>('vcpu:vm0/0').debug!.taken, 1);
      assert.equal(kept.delivered('kdb.db').length, 1);
    },
  },
  {
    ...holds,
    id: 'DBG-18',
    says: 'a #DB that KVM intercepts and does not inject is lost to the guest',
    shows: [keeps(VC, 'db-intercept-kept', COMES, 'sev-es-db-dropped')],
    mutants: ['sev-es-db-dropped'],
    check: (mutant) => {
      assert.equal(account([{ icebp: {} }], { swaps: false, mutant }).taken, 1);
    },
  },
  {
    ...holds,
    id: 'DBG-19',
    says: 'KVM intercepts #DB of guests without DebugSwap, though with NoNestedDataBp none needs it',
    shows: [],
    mutants: ['sev-es-drops-db-intercept', 'sev-es-keeps-db-intercept'],
    why: 'the guest sees the same either way: how often KVM was told shows it',
    check: (mutant) => {
      const dbExits = (swaps: boolean) => run([{ icebp: {} }], { swaps, mutant }).delivered('kdb.db').length;
      assert.deepEqual([dbExits(false), dbExits(true)], [1, 0]);
    },
  },
  {
    ...holds,
    id: 'DBG-20',
    says: 'a write of DR7 that reaches KVM changes nothing, and the guest goes on',
    shows: [breaks(VC, 'intercept-kept', COMES, 'sev-es-dr7-written')],
    mutants: ['sev-es-dr7-written', 'sev-es-drops-dr7-intercept'],
    check: (mutant) => {
      const told = run([toDr(7, WRITE8), fromDr(7)], { swaps: false, mutant });
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
      assert.deepEqual(brokenIn(HALTS, { always: [NEEDS], mutant }), []);
    },
  },
  {
    ...holds,
    id: 'DBG-22',
    says: 'registers of type C hold their reset values behind an exit, and the host has its own elsewhere',
    shows: [],
    mutants: ['sev-es-type-c-kept'],
    why: 'no code of the host that is modelled reads CR2 or the FPU behind an exit',
    check: (mutant) => {
      const { cpu } = area({ mutant });
      assert.deepEqual([cpu.CR2, cpu.FPU], ['reset', 'reset']);
    },
  },
  {
    source: F,
    verdict: 'refuted',
    id: 'DBG-23',
    says: 'without DebugSwap the CPU saves and loads debug registers',
    shows: [breaks(TRUSTS, 'left-to-hardware', COPY, 'sev-es-dr-always-loaded')],
    mutants: ['sev-es-dr-always-loaded'],
    check: (mutant) => {
      const trusts = { 'kvm.hostBreakpoints': 'left-to-hardware', 'kvm.saveDebug': 'if-possible' } as const;
      assert.deepEqual(onHost(mutant, trusts, LYING), [COPY]);
    },
  },
  {
    source: F,
    verdict: 'refuted',
    id: 'DBG-24',
    says: 'DebugSwap has nothing to do with types A and B: no store of the host is needed',
    shows: [breaks(AREA, 'never', COPY, 'sev-es-dr-type-a')],
    mutants: ['sev-es-dr-type-a'],
    check: (mutant) => {
      assert.deepEqual(onHost(mutant, { 'kvm.saveDebug': 'never' }), [COPY]);
    },
  },
  {
    ...holds,
    id: 'DBG-25',
    says: 'a guest that swallows #VC at a write of DR7 reads the value back, and DR7 of the CPU is as it was',
    shows: [keeps(VC, 'intercept-kept', READS, 'sev-es-vc-uncached')],
    mutants: ['sev-es-vc-uncached', 'sev-es-drops-dr7-intercept'],
    check: (mutant) => {
      const guest = [toDr(7, WRITE8), fromDr(7)];
      const { read } = account(guest, { swaps: false, mutant });
      assert.deepEqual([read?.value, half(guest, { swaps: false, mutant }).vmsa.dr7], [WRITE8, 0x400]);
    },
  },
];

export const DEBUG_CLAIMS: readonly Claim[] = [...switched, ...tarpit, ...intercepts];
