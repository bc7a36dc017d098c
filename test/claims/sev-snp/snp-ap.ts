/** SNP-56: a vCPU takes the VMSA that another one has made for it; R15: while it runs. */
import assert from 'node:assert/strict';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { type ApState, apAtStart } from '../../../actors/sev-snp/ap-state.ts';
import type { SevEsContext } from '../../../actors/sev-snp/sev-es-state.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { GhcbFields } from '../../../events/sev-snp/ghcb.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import type { Played } from '../../sim/play.ts';
import { finish, type Line, to, until } from '../../sim/steer.ts';
import { type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const CREATE = 'ap-create';
const GHCB = 0x9;
const FIRST = 0x1008;
const MADE = 0x100a;
const AP = 'thread:qemu0/vcpu1';
const VMM = 'thread:qemu0/2';
const STATE = 'sev_es:vm0/1';
const SNP_ACTIVE = 1;
const HIGH = 2 ** 32;

const PAGES = [w.page('vmsa', 0x7), w.page('vmsa', 0x8), w.page('shared', GHCB), w.page('guest-valid', 0xa), w.page('guest-valid', 0xb)];
const create = (rest: object = {}): GuestStep => ({ 'ap-create': { ghcb: GHCB, apicId: 1, gfn: 0xa, ...rest } }) as GuestStep;
const destroy: GuestStep = { 'ap-destroy': { ghcb: GHCB, apicId: 1 } };
const sipi: GuestStep = { 'send-sipi': { apicId: 1 } };
const compute: GuestStep = { compute: {} };
const asks = (fields: Partial<GhcbFields>): GuestStep =>
  ({ vmgexit: { ghcb: GHCB, code: 0x8000_0013, info1: HIGH + 1, info2: 0xa000, rax: SNP_ACTIVE, ...fields } }) as GuestStep;

/** The first vCPU does this to the second, which computes. */
const world = (options: Partial<HostOptions>, program: readonly GuestStep[], ...control: readonly HostStep[]): ResolvedScenario =>
  s.unchecked(
    w.world(
      { vm0: { type: 'snp', options: { pages: PAGES, ghcbs: [{ gfn: GHCB, vcpu: 0 }] }, vcpus: [program, [compute]] } },
      {
        qemu0: [
          [w.run()],
          [control.length === 0 ? w.run('vm0/1') : { KVM_RUN: { vcpu: 'vm0/1', reenter: true } }],
          ...(control.length === 0 ? [] : [control]),
        ],
      },
      options,
    ),
  );
const apIn = (scene: { context<C>(id: string): C }): ApState => scene.context<SevEsContext>(STATE).ap!;
const inGuest: Line = until(AP, 'it runs', (scene) => scene.at(AP).endsWith('svm_vcpu_run.guest'));
const runsAgain: Line = until(AP, 'it runs with nothing pending', (scene) => {
  const { pending } = apIn(scene);
  return pending === undefined && scene.at(AP).endsWith('svm_vcpu_run.guest');
});
const isOut: Line = until(AP, 'it sleeps', (scene) => scene.at(AP).endsWith('kvm_vcpu_block.kvm_vcpu_check_block'));
const done = finish(w.VCPU);

/** PFNs of the VMSAs that the second vCPU was entered with. */
const enteredWith = (played: Played): unknown[] =>
  played
    .delivered('rmp.enter')
    .map(({ payload }) => payload.pfn)
    .filter((pfn) => pfn !== 0x1007);
const answers = (played: Played) => played.delivered('ghcb.answer').map(({ payload }) => payload.answer);
const REFUSED = { info1: 2, info2: 5 };

/** What KVM refuses, by what is wrong with it. */
const WRONG: Readonly<Record<string, Partial<GhcbFields>>> = {
  'an unknown APIC ID': { info1: 2 * HIGH + 1 },
  'an unknown request': { info1: HIGH + 3 },
  'another VMPL': { info1: HIGH + 0x10001 },
  'another injection mode': { rax: SNP_ACTIVE + 8 },
  'a GPA that is not aligned': { info2: 0xa010 },
  'a GPA that is aligned to 2 MiB': { info2: 0x200000 },
};

export const SNP_AP_CLAIMS: readonly Claim[] = [
  {
    id: 'SNP-56',
    source: 'domain snp g',
    verdict: 'holds',
    says: 'a vCPU takes the VMSA of an AP creation before its next entry, at once or at INIT, and runs no more after a destruction; a request that is refused changes nothing',
    shows: [
      keeps(CREATE, 'reset', 'ghcb.runs-its-vmsa', 'snp-ap-vmcb-clean'),
      keeps(CREATE, 'reset', 'ghcb.ap-request-taken', 'snp-ap-unkicked'),
    ],
    mutants: ['snp-ap-unkicked', 'snp-ap-refusal-untold', 'snp-ap-untaken'],
    check: (mutant) => {
      const created = s.told(world({}, [create()]), mutant, inGuest, done, runsAgain);
      assert.deepEqual([enteredWith(created).at(0), enteredWith(created).at(-1)], [FIRST, MADE]);
      assert.deepEqual(answers(created), [{ info1: 0, info2: 0 }]);
      const onInit = s.told(world({}, [create({ onInit: true }), sipi]), mutant, inGuest, done, runsAgain);
      assert.deepEqual(
        onInit.delivered('vcpu.request').map(({ payload }) => payload.request),
        ['KVM_APIC_SIPI'],
      );
      assert.equal(enteredWith(onInit).at(-1), MADE);
      const destroyed = s.told(world({}, [destroy]), mutant, inGuest, done, isOut);
      assert.deepEqual([destroyed.context<Vcpu>('vcpu:vm0/1').halted, apIn(destroyed).off], [true, 'destroyed']);
      for (const [what, fields] of Object.entries(WRONG)) {
        const refused = s.told(world({}, [asks(fields)]), mutant, inGuest, done);
        assert.deepEqual([answers(refused), apIn(refused).pending, refused.delivered('vcpu.request')], [[REFUSED], undefined, []], what);
        assert.deepEqual({ ...apIn(refused), kept: undefined }, { ...apAtStart(FIRST), kept: undefined, wrongEntry: undefined }, what);
      }
    },
  },
];

const CONTROL: readonly HostStep[] = [
  { 'pause-vcpu': { vcpu: 'vm0/1' } },
  { KVM_SET_MP_STATE: { vcpu: 'vm0/1' } },
  { 'resume-vcpu': { vcpu: 'vm0/1' } },
];
/** User space makes a vCPU runnable that its guest has destroyed. */
function revived(options: Partial<HostOptions>, program: readonly GuestStep[], mutant: s.Mutant): ApState['wrongEntry'] {
  const destroys = to(w.VCPU, 'shutdown_all_aps.ghcb_set_sw_exit_code.store', w.GUEST);
  const paused = [to(VMM, 'KVM_SET_MP_STATE.ioctl'), to(AP, 'look_for_pause'), finish(VMM)];
  return apIn(s.told(world(options, program, ...CONTROL), mutant, inGuest, destroys, runsAgain, done, isOut, ...paused)).wrongEntry;
}

export const SNP_AP_RACES: readonly Checked[] = [
  {
    id: 'R15',
    says: 'a running vCPU gets another VMSA: set alone, the CPU can enter the old one; a request that is refused took the vCPU down before d26638bfcdfc; one that is destroyed and made runnable is entered without an address before 72d12715edcd',
    mutants: ['snp-ap-vmcb-clean', 'snp-ap-unkicked'],
    check: (mutant) => {
      const exchanged = (kind: HostOptions['kvm.apUpdate']) =>
        s.told(world({ 'kvm.apUpdate': kind }, [create()]), mutant, inGuest, done, runsAgain);
      assert.deepEqual([apIn(exchanged('vmsa-alone')).wrongEntry, apIn(exchanged('reset')).wrongEntry], ['stale', undefined]);
      const refused = (kind: HostOptions['kvm.apRefusal']) =>
        apIn(s.told(world({ 'kvm.apRefusal': kind }, [asks({ rax: 9 })]), mutant, inGuest, done, kind === 'kicked' ? isOut : inGuest)).off;
      assert.deepEqual([refused('kicked'), refused('unchanged')], ['refused', undefined]);
      const made = [create(), destroy];
      assert.deepEqual([revived({ 'kvm.noVmsa': 'refused' }, made, mutant), revived({}, made, mutant)], [undefined, 'no-vmsa']);
      const noMemory = (kind: HostOptions['kvm.apNoMemory']) =>
        apIn(
          s.told(
            world({ 'kvm.apNoMemory': kind }, [asks({ info2: 0x77000 })]),
            mutant,
            inGuest,
            done,
            kind === 'halted' ? isOut : finish(AP),
          ),
        );
      const withoutMemory = [noMemory('runnable'), noMemory('halted')].map(({ off, wrongEntry }) => [off, wrongEntry]);
      // Linux clears the VMSA before as soon as KVM has answered: the vCPU may be about to VMRUN.
      const entering = until(
        AP,
        'it is about to be entered again',
        (scene) => apIn(scene).isFresh === true && scene.at(AP).endsWith('pre_sev_run'),
      );
      const again = world({ 'kvm.noVmsa': 'refused' }, [create(), create({ gfn: 0xb, replaces: 0xa })]);
      const secondly = to(w.VCPU, 'fetch', w.GUEST);
      const yanked = s.told(again, mutant, inGuest, secondly, entering, done);
      assert.equal(yanked.delivered('rmp.entered').at(-1)?.payload.outcome, 'invalid');
      // KVM's own VMSA, which the vCPU has as long as its guest has made none.
      assert.deepEqual(withoutMemory, [
        ['not-found', undefined],
        ['not-found', undefined],
      ]);
      // KVM's own VMSA comes back with the reset of the DESTROY.
      assert.equal(revived({}, [destroy], mutant), 'destroyed');
    },
  },
];
